/**
 * What an ingest worker tells of the whole hub, whoever reads its partitions: partitions that nobody reads have no
 * worker that would tell. Every worker tells the same: take the maximum. Asked for twice a minute at most, as Event
 * Hubs answers only some 50 such questions a second.
 */
import { messageOf } from '../domain/errors.ts';
import type { IngestWorker } from '../ingest/ingest-worker.ts';
import { HOLDERS, type Holder } from '../ingest/holders.ts';
import type { Logger } from '../logging/log.ts';
import type { Store } from '../storage/store.ts';
import type { Metric } from '../telemetry/metric.ts';
import { partitionStates, type PartitionState } from '../connect/partition-states.ts';
import type { HubReader } from '../connect/partitions.ts';
import { defined } from '../domain/defined.ts';

const EVERY_MS = 30_000;

export interface HubLook {
  readonly states: readonly PartitionState[];
  /** Absent where Blob did not tell. */
  readonly holders?: ReadonlyMap<string, Holder>;
}

export interface HubLookDeps {
  readonly worker: Pick<IngestWorker, 'holders'>;
  readonly store: Pick<Store, 'listProgress'>;
  readonly hub: Pick<HubReader, 'source' | 'ends'>;
  readonly log: Pick<Logger, 'debug'>;
  readonly everyMs?: number;
}

/**
 * Looks at all partitions of the hub, or gives the last look while that is young. Never fails: undefined when nobody
 * answers.
 */
export function openHubLook(deps: HubLookDeps): () => Promise<HubLook | undefined> {
  const { worker, store, hub, log, everyMs = EVERY_MS } = deps;
  let last: { readonly atMs: number; readonly look: Promise<HubLook | undefined> } | undefined;
  const look = async (): Promise<HubLook | undefined> => {
    try {
      const [progress, ends] = await Promise.all([store.listProgress(hub.source), hub.ends()]);
      const states = partitionStates(progress, hub.source, ends);
      const holders = await worker.holders(ends.map(({ partition }) => partition)).catch(() => undefined);
      return { states, ...defined({ holders }) };
    } catch (error) {
      // A service that does not answer is told by `source_up`.
      log.debug({ reason: messageOf(error) }, 'the partitions of the hub are not known');
      return undefined;
    }
  };
  return () => {
    const nowMs = performance.now();
    if (!last || nowMs - last.atMs >= everyMs) last = { atMs: nowMs, look: look() };
    return last.look;
  };
}

type Labels = Readonly<Record<string, string>>;

/** @param labels of the hub */
export function hubMetrics(look: HubLook | undefined, labels: Labels): Metric[] {
  if (!look) return [];
  const { states, holders } = look;
  const held = [...(holders?.values() ?? [])];
  return [
    {
      name: 'fleetscore_ingest_hub_lag_events',
      type: 'gauge',
      unit: '{event}',
      help: 'Events of each partition of the hub that are not in the windows yet, whoever reads it; all workers tell the same.',
      samples: states.flatMap(({ partition, lagEvents }) =>
        lagEvents === undefined ? [] : [{ labels: { ...labels, partition }, value: lagEvents }],
      ),
    },
    {
      name: 'fleetscore_ingest_hub_partitions',
      type: 'gauge',
      unit: '{partition}',
      help: 'Partitions of the hub by who reads them: a worker, nobody, or a stranger on the same consumer group.',
      samples: holders
        ? HOLDERS.map((holder) => ({
            labels: { ...labels, held_by: holder },
            value: held.filter((one) => one === holder).length,
          }))
        : [],
    },
    {
      name: 'fleetscore_ingest_partition_problem',
      type: 'gauge',
      unit: '1',
      help: '1 where a partition is not read on purpose: it is not the one that was read before.',
      samples: states.map(({ partition, problem }) => ({
        labels: { ...labels, partition },
        value: problem === undefined ? 0 : 1,
      })),
    },
  ];
}
