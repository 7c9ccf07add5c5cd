/**
 * The manifest of a batch: written last, to Blob. Readers trust only files that a manifest lists, with the
 * hash it gives; what it does not list does not exist for them.
 */
import type { PredictionsFormat } from './prediction.ts';
import type { OutcomeCounts } from './outcome.ts';

/** As the manifest lists it. */
export interface ListedFile extends ManifestFile {
  readonly format: PredictionsFormat;
  /** Version of that format; absent before there were any. */
  readonly formatVersion?: number;
}

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
  /**
   * When the batch began, ISO 8601; absent before manifests said it. Of the manifests that have a row of a sensor and a
   * window, the one that began last counts; of two at the same time the one whose id sorts last.
   */
  readonly startedAt?: string;
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
  readonly files: readonly ListedFile[];
}
