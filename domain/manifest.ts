/**
 * The manifest of a batch: written last, to Blob. Readers trust only files that a manifest lists, with the
 * hash it gives; what it does not list does not exist for them.
 */
import type { OutcomeCounts } from './outcome.ts';

export interface ManifestFile {
  /** Chunk of sensors that the file holds. */
  readonly chunk: string;
  /** Name of the blob in the container `predictions`. */
  readonly blob: string;
  readonly rows: number;
  readonly bytes: number;
  /** Of the bytes, hex. */
  readonly sha256: string;
}

export interface Manifest {
  readonly version: 1;
  readonly batch: string;
  readonly kind: string;
  /** ISO 8601, [from, to). */
  readonly from: string;
  readonly to: string;
  readonly release: string;
  readonly status: string;
  /** Batch whose predictions this one replaces, for redrives and re-scores. */
  readonly supersedes?: string;
  readonly codeVersion: string;
  readonly planned: number;
  readonly outcomes: OutcomeCounts;
  readonly rows: number;
  readonly files: readonly ManifestFile[];
}
