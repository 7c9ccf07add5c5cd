/**
 * An ingest worker whose partitions stand still while store and Event Hubs answer says so and ends: another one takes
 * over.
 */
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { IngestWorker } from '../ingest/ingest-worker.ts';
import type { HubReader } from '../connect/partitions.ts';
import { partitionStates } from '../connect/partition-states.ts';
import type { Metric } from '../telemetry/metric.ts';
import type { Logger } from '../logging/log.ts';
import type { Store } from '../storage/store.ts';
import { createStallWatch, STALLED_AFTER_MS } from './stall-watch.ts';

const EVERY_MS = 15_000;

export interface IngestStall {
  /** Resolves with the reason to end when partitions stand still. */
  readonly stalled: Promise<FleetscoreError>;
  /** Partitions that stand still right now. */
  count(): number;
  stop(): void;
}

export interface StallOptions {
  /** Of standing still, ms. */
  readonly afterMs?: number;
  /** Between two looks, ms. */
  readonly everyMs?: number;
  /** Asks what else the work needs. @throws when it does not answer */
  readonly answers?: () => Promise<unknown>;
}

export function watchIngest(
  worker: Pick<IngestWorker, 'stats'>,
  store: Pick<Store, 'listProgress'>,
  hub: Pick<HubReader, 'source' | 'ends'>,
  log: Logger,
  { afterMs = STALLED_AFTER_MS, everyMs = EVERY_MS, answers = async () => {} }: StallOptions = {},
): IngestStall {
  const watch = createStallWatch(afterMs);
  const { promise: stalled, resolve } = Promise.withResolvers<FleetscoreError>();
  let count = 0;
  let looking = false;
  const look = async (): Promise<void> => {
    // Its own partitions; one that holds none looks whether anybody gets on.
    const { partitions: own } = worker.stats();
    const asked = own.length === 0 ? undefined : own;
    const [progress, ends] = await Promise.all([store.listProgress(hub.source), hub.ends(asked), answers()]);
    const states = partitionStates(progress, hub.source, ends).filter(
      // One that is not the hub that was read stands still on purpose.
      ({ lagEvents, problem }) => lagEvents !== undefined && problem === undefined,
    );
    const found = watch.look(
      Date.now(),
      states.map(({ partition, appliedSeq, lagEvents }) => ({
        key: partition,
        value: appliedSeq,
        waiting: lagEvents! > 0,
      })),
    );
    count = found.length;
    // One that holds nothing ends only when nobody gets on with anything.
    if (found.length === 0 || (own.length === 0 && found.length < states.length)) return;
    const names = found.map(({ key }) => key).join(', ');
    resolve(
      new FleetscoreError(
        'INGEST_STALLED',
        `partition ${names} of ${hub.source} stands still: events wait, the store and Event Hubs answer, and ` +
          `nothing was applied for ${Math.round(afterMs / 60_000)} minutes. ` +
          'This worker ends, so that a new one takes over.',
        { retryable: true },
      ),
    );
  };
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      // A service that does not answer is an outage, which a new process does not end; time counts anew after it.
      .catch((error: unknown) => {
        watch.look(Date.now(), []);
        count = 0;
        log.debug({ reason: messageOf(error) }, 'cannot tell whether partitions stand still');
      })
      .finally(() => (looking = false));
  }, everyMs);
  timer.unref();
  return { stalled, count: () => count, stop: () => clearInterval(timer) };
}

/** @param labels of the hub */
export const stalledMetric = (count: number, labels: Readonly<Record<string, string>>): Metric => ({
  name: 'fleetscore_ingest_stalled_partitions',
  type: 'gauge',
  unit: '{partition}',
  help:
    'Partitions of which events wait while nothing is applied, though store and Event Hubs answer; ' +
    'the worker ends then.',
  samples: [{ labels, value: count }],
});
