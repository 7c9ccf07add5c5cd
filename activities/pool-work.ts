/**
 * The work of one pool: its part of the fleet, of running batches and of those to come. A sensor is the work of the
 * pool that its model names; the pool with the queue `scoring` has all that name none.
 */
import type { Client } from '@temporalio/client';
import { decided } from '../domain/outcome.ts';
import { SCORING_QUEUE } from '../domain/queues.ts';
import type { RunningBatch, ScheduledBatch } from '../pool/policy-types.ts';
import type { PoolSettings } from '../pool/settings.ts';
import type { Batch, Store } from '../storage/store.ts';
import { ATTRIBUTES } from '../workflows/attributes.ts';
import { SCORE_BATCH } from '../workflows/names.ts';

/** Batches under way that are counted one by one; the rest waits for them anyway. */
const MOST_BATCHES = 50;

type Which = Pick<PoolSettings, 'name' | 'taskQueue'>;
const isDefault = ({ taskQueue }: Which): boolean => taskQueue === SCORING_QUEUE;

const NONE: ReadonlyMap<string, number> = new Map();

/** Sensors in service that this pool scores, by the current release. */
export async function sensorsOfPool(store: Store, pool: Which): Promise<number> {
  const release = await store.currentRelease();
  const named = release === undefined ? [] : await store.releasePools(release);
  const retired = release === undefined || named.length === 0 ? NONE : await store.retiredByPool(release);
  const served = new Map(named.map((one) => [one.pool, Math.max(0, one.sensors - (retired.get(one.pool) ?? 0))]));
  const own = served.get(pool.name) ?? 0;
  if (!isDefault(pool)) return own;
  const all = (await store.countSensors()) - (await store.countRetired());
  return Math.max(0, all - [...served.values()].reduce((sum, sensors) => sum + sensors, 0) + own);
}

/** Batches whose workflow runs: a batch that was terminated stays `running` in SQL and must not keep nodes. */
export async function runningBatches(
  client: Client,
  store: Store,
  pool: Which,
  sensors: number,
  nowMs: number,
): Promise<RunningBatch[]> {
  const found: RunningBatch[] = [];
  for await (const run of client.workflow.list({
    query: `${ATTRIBUTES.batch.name} IS NOT NULL AND ExecutionStatus = "Running"`,
  })) {
    const id = run.typedSearchAttributes.get(ATTRIBUTES.batch);
    if (id === undefined) continue;
    const known = await store.findBatch(id);
    const batch = known?.status === 'waiting' ? undefined : known;
    const toMs = known?.toMs ?? run.typedSearchAttributes.get(ATTRIBUTES.periodEnd)?.getTime();
    if (batch === undefined && (sensors === 0 || !isDue(toMs, nowMs))) continue;
    const toGo = batch === undefined ? sensors : await toGoOf(store, batch, pool);
    if (toGo === undefined) continue; // none of its work is ours
    found.push({
      id,
      sensorsToGo: toGo,
      sinceMs: batch?.startedAtMs ?? run.startTime.getTime(),
      queued: batch !== undefined,
    });
    if (found.length >= MOST_BATCHES) break;
  }
  return found;
}

/** A batch is planned within minutes after the end of its period: from then on nodes may come up for it. */
const SOON_MS = 10 * 60_000;

/**
 * Whether a batch that is not planned yet is work: not before its period has ended, which may be in years, and not
 * while it waits for readings longer than usual. It is again once it is planned.
 */
const isDue = (toMs: number | undefined, nowMs: number): boolean =>
  toMs === undefined || (nowMs >= toMs && nowMs < toMs + SOON_MS);

/** Planned sensors without an outcome; undefined when the batch has no work for this pool at all. */
async function toGoOf(store: Store, batch: Batch, pool: Which): Promise<number | undefined> {
  const pools = await store.batchPools(batch.id);
  if (pools.length === 0)
    return isDefault(pool) ? Math.max(0, batch.planned - decided(await store.countOutcomes(batch.id))) : undefined;
  const ours = pools.filter((one) => one.pool === pool.name || (one.pool === '' && isDefault(pool)));
  return ours.length === 0 ? undefined : ours.reduce((sum, one) => sum + Math.max(0, one.planned - one.decided), 0);
}

export async function scheduledBatches(client: Client, sensors: number): Promise<ScheduledBatch[]> {
  const found: ScheduledBatch[] = [];
  for await (const entry of client.schedule.list()) {
    if (entry.action?.workflowType !== SCORE_BATCH || entry.state.paused) continue;
    const times = entry.info.nextActionTimes.map((time) => time.getTime());
    times.forEach((atMs, i) => {
      const next = times[i + 1] ?? (i > 0 ? 2 * atMs - times[i - 1]! : undefined);
      found.push({
        schedule: entry.scheduleId,
        atMs,
        sensors,
        ...(next === undefined ? {} : { withinMs: next - atMs }),
      });
    });
  }
  return found;
}
