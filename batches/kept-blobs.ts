/**
 * Files that many sensors share, read once for all of them: kept while there is room, the one used longest ago first
 * out.
 */
import type { BlobStore } from '../storage/blobs.ts';

/** Bytes that are kept at most. */
const MOST_BYTES = 32 * 1024 * 1024;

/** @returns what reads blobs through what it kept. Names are written once: what one holds does not change. */
export function keptBlobs(blobs: Pick<BlobStore, 'get'>, mostBytes = MOST_BYTES): Pick<BlobStore, 'get'> {
  const kept = new Map<string, Uint8Array>();
  let bytes = 0;
  return {
    async get(container, name, read) {
      const key = `${container}/${name}`;
      const there = kept.get(key);
      const body = there ?? (await blobs.get(container, name, read));
      if (kept.delete(key)) bytes -= body.byteLength;
      if (body.byteLength > mostBytes) return body;
      kept.set(key, body);
      bytes += body.byteLength;
      for (const [oldest, { byteLength }] of kept) {
        if (bytes <= mostBytes) break;
        kept.delete(oldest);
        bytes -= byteLength;
      }
      return body;
    },
  };
}
