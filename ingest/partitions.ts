/**
 * The pipelines of the partitions that this worker reads. A partition has one pipeline at a time; it counts as read
 * from the moment that its pipeline is being opened until it is closed.
 */
import { messageOf } from '../domain/errors.ts';
import type { HubClient } from './hub-client.ts';
import { openPipeline, type Pipeline, type PipelineDeps } from './partition-pipeline.ts';

export interface Partitions {
  has(partition: string): boolean;
  /** The pipeline that is there or coming. */
  get(partition: string): Promise<Pipeline> | undefined;
  /** A new one. @throws FleetscoreError `INGEST_STOPPED` */
  open(partition: string): Promise<Pipeline>;
  /** Forgets it, unless another one has taken its place. */
  drop(partition: string, pipeline: Pipeline | undefined): void;
  /** Those that are open, by partition. */
  readonly opened: ReadonlyMap<string, Pipeline>;
}

export function createPartitions(
  deps: Omit<PipelineDeps, 'partition' | 'checkpoint'>,
  hub: Pick<HubClient, 'checkpoint'>,
): Partitions {
  const pipelines = new Map<string, Promise<Pipeline>>();
  const opened = new Map<string, Pipeline>();
  return {
    has: (partition) => pipelines.has(partition),
    get: (partition) => pipelines.get(partition),
    open(partition) {
      const opening = openPipeline({
        ...deps,
        partition,
        async checkpoint(at) {
          try {
            await hub.checkpoint(partition, at);
          } catch (error) {
            deps.log.warn({ partition, error: messageOf(error) }, 'checkpoint failed; the next one makes up for it');
          }
        },
      });
      pipelines.set(partition, opening);
      opening.then(
        (pipeline) => pipelines.get(partition) === opening && opened.set(partition, pipeline),
        () => pipelines.delete(partition),
      );
      return opening;
    },
    drop(partition, pipeline) {
      if (opened.get(partition) !== pipeline) return;
      opened.delete(partition);
      pipelines.delete(partition);
    },
    opened,
  };
}
