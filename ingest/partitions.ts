/**
 * The pipelines of the partitions that this worker reads. A partition has one pipeline at a time, which belongs to one
 * reader of the client; it counts as read from the moment that its pipeline is being opened until it is closed.
 *
 * The client (@azure/event-hubs 6.0.4, pumpManager.js) starts a reader anew while the one before is still closing,
 * which takes as long as a dead connection does: what that one holds is written before the new one reads on, and its
 * close, when it comes at last, is not meant for the pipeline of the new one.
 */
import { FleetscoreError } from '../domain/errors.ts';
import type { Pipeline } from './partition-pipeline.ts';

/** What the client hands to every call for one reader of a partition, and to none for another. */
export type Reader = object;

export interface Partitions {
  has(partition: string): boolean;
  /** The pipeline of this reader that is there or coming. */
  get(partition: string, reader: Reader): Promise<Pipeline> | undefined;
  /**
   * A new one, once that of the reader before has written what it holds.
   * @throws FleetscoreError `INGEST_STOPPED` also for a reader that has ended, or that another one has replaced
   */
  open(partition: string, reader: Reader): Promise<Pipeline>;
  /** Forgets that of a reader that has ended. */
  drop(partition: string, reader: Reader): void;
  /** Those that are open, by partition. */
  readonly opened: ReadonlyMap<string, Pipeline>;
}

interface Entry {
  readonly reader: Reader;
  readonly pipeline: Promise<Pipeline>;
}

/** @param openPipeline of a partition, from where the store says that reading has come to */
export function createPartitions(openPipeline: (partition: string) => Promise<Pipeline>): Partitions {
  const entries = new Map<string, Entry>();
  const opened = new Map<string, Pipeline>();
  const ended = new WeakSet<Reader>();
  const forget = (partition: string, reader: Reader): void => {
    if (entries.get(partition)?.reader !== reader) return;
    entries.delete(partition);
    opened.delete(partition);
  };
  return {
    has: (partition) => entries.has(partition),
    get(partition, reader) {
      const entry = entries.get(partition);
      return entry?.reader === reader ? entry.pipeline : undefined;
    },
    async open(partition, reader) {
      if (ended.has(reader))
        throw new FleetscoreError('INGEST_STOPPED', `this reader of partition ${partition} has ended`);
      const before = entries.get(partition);
      if (before && before.reader !== reader) ended.add(before.reader);
      const opening = (async () => {
        // Trouble of the one before was told by its own reader.
        await before?.pipeline.then((pipeline) => pipeline.close(true)).catch(() => {});
        return openPipeline(partition);
      })();
      entries.set(partition, { reader, pipeline: opening });
      try {
        const pipeline = await opening;
        if (entries.get(partition)?.pipeline === opening) opened.set(partition, pipeline);
        return pipeline;
      } catch (error) {
        if (entries.get(partition)?.pipeline === opening) forget(partition, reader);
        throw error;
      }
    },
    drop(partition, reader) {
      ended.add(reader);
      forget(partition, reader);
    },
    opened,
  };
}
