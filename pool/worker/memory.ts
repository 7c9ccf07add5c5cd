/** Ends a worker whose memory has grown past a mark, while it still can finish what it has. */
import { watch, type Watch } from './watch.ts';

const MiB = 1024 * 1024;

export interface MemoryOptions {
  /** Resident set size, bytes. */
  readonly limitBytes: number;
  readonly everyMs?: number;
  readonly usage?: () => number;
}

export function watchMemory({
  limitBytes,
  everyMs = 10_000,
  usage = () => process.memoryUsage.rss(),
}: MemoryOptions): Watch {
  return watch(everyMs, async () => {
    const bytes = usage();
    return bytes <= limitBytes
      ? undefined
      : {
          kind: 'memory',
          text:
            `${Math.round(bytes / MiB)} MiB of memory in use, above the mark of ` +
            `${Math.round(limitBytes / MiB)} MiB`,
        };
  });
}
