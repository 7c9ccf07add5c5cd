/**
 * Store and Blob that fail at one chosen call: before it is done (the request was lost) or after (the answer
 * was). Counts calls over both ports together, so that a loop over N meets every single one.
 */
import type { ErrorCode } from '../../domain/error-codes.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Store } from '../../storage/store.ts';

export type FaultMode = 'request lost' | 'answer lost';

export interface FaultyPorts {
  readonly store: Store;
  readonly blobs: BlobStore;
  /** Calls so far, as `port.method`. */
  readonly calls: readonly string[];
}

/** @param failing the call that fails, from 1; 0: none does */
export function faultyPorts(
  ports: { readonly store: Store; readonly blobs: BlobStore },
  failing: number,
  mode: FaultMode,
): FaultyPorts {
  const calls: string[] = [];
  const wrap = <T extends object>(target: T, port: 'store' | 'blobs', code: ErrorCode): T =>
    new Proxy(target, {
      get(_, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function' || name === 'list') return value;
        return async (...args: unknown[]): Promise<unknown> => {
          const fails = calls.push(`${port}.${String(name)}`) === failing;
          const trouble = new FleetscoreError(code, `${port}.${String(name)} failed: ${mode}`, { retryable: true });
          if (fails && mode === 'request lost') throw trouble;
          const answer: unknown = await Reflect.apply(value as (...all: unknown[]) => unknown, target, args);
          if (fails) throw trouble;
          return answer;
        };
      },
    });
  return {
    store: wrap(ports.store, 'store', 'STORE_UNAVAILABLE'),
    blobs: wrap(ports.blobs, 'blobs', 'BLOB_UNAVAILABLE'),
    calls,
  };
}
