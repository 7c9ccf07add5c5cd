/**
 * The alarms of one sensor once a batch has looked at it: its windows take the place of what was there for their time,
 * and what follows is folded again until it comes to the state that it had. Deciding on the same twice changes nothing,
 * which is what `verify` asks for.
 */
import { rework, type Chained, type Rework } from '../alarms/chain.ts';
import type { Stretch, StretchVerdict } from '../alarms/evidence.ts';
import type { Before } from '../alarms/track.ts';
import { reconcile } from '../alarms/reconcile.ts';
import { NO_RULES, parseRules, ruleFor, senseOf, type AlarmRule, type AlarmRules } from '../alarms/rules.ts';
import type { Period } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';
import { readPredictions } from '../scoring/read-predictions.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { AlarmCandidate, AlarmProgress, Batch, DecidedSensor, Store, StoredAlarmRules } from '../storage/store.ts';
import { servedItems } from './served-items.ts';

export interface DecideDeps {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly windows: WindowShape;
}

/** @throws FleetscoreError `ALARM_RULES_INVALID` */
export const rulesOf = (stored: StoredAlarmRules | undefined): AlarmRules =>
  stored ? parseRules(stored.text, `version ${stored.version} of the rules of alarms`) : NO_RULES;

interface Deciding {
  readonly deps: DecideDeps;
  readonly batch: Batch;
  readonly rules: AlarmRules;
  readonly rule: AlarmRule;
  readonly candidate: AlarmCandidate;
}

/** @param given what the batch says of the sensor, where it is not to be taken from the candidate */
export async function decide(
  deps: DecideDeps,
  batch: Batch,
  rules: AlarmRules,
  { others }: Pick<AlarmProgress, 'others'>,
  candidate: AlarmCandidate,
  given?: Stretch,
): Promise<DecidedSensor> {
  const { sensorId, entry, links, alarms } = candidate;
  const rule = ruleFor(rules, candidate, batch.release);
  const context: Deciding = { deps, batch, rules, rule, candidate };
  const later = others.filter(({ toMs }) => toMs > batch.fromMs);
  const stretch = given ?? (await ownStretch(context, overlaps(batch, others)));
  const chained = await untilKnown(context, { stretch, links, later, before: new Map(), ...(entry ? { entry } : {}) });
  const changed = reconcile({
    sensorId,
    stored: alarms,
    found: chained.alarms,
    replaced: chained.replaced,
    rule,
    // Batches have looked further than this one.
    late: later.some(({ toMs }) => toMs > batch.toMs),
    batchId: batch.id,
    toMs: batch.toMs,
  });
  return { sensorId, put: chained.put, drop: chained.drop, live: chained.live, alarms: changed };
}

export const overlaps = (batch: Period, others: readonly Period[]): boolean =>
  others.some(({ fromMs, toMs }) => fromMs < batch.toMs && toMs > batch.fromMs);

/** What is served of a sensor over the period of a batch. */
export const servedOf = (
  deps: DecideDeps,
  batch: Batch,
  rules: AlarmRules,
  candidate: AlarmCandidate,
): Promise<Stretch> => {
  const rule = ruleFor(rules, candidate, batch.release);
  return servedStretch({ deps, batch, rules, rule, candidate }, batch, verdictOf(candidate));
};

/** Folds, and reads what is asked for, until nothing is. */
async function untilKnown(context: Deciding, begin: Rework): Promise<Chained> {
  const { deps, rule } = context;
  for (let work = begin; ;) {
    const result = rework(work, rule, deps.windows);
    if (result.need === undefined) return result;
    if (result.need === 'before') {
      const before = await beforeOf(context, result.atMs);
      work = { ...work, before: new Map([...work.before, [result.atMs, before]]) };
    } else work = { ...work, later: [...work.later, await servedStretch(context, result.period, 'cancelled')] };
  }
}

/** What the batch says of the sensor; what is served of it, where other batches looked at the same time. */
async function ownStretch(context: Deciding, overlapping: boolean): Promise<Stretch> {
  const { batch, candidate } = context;
  const { fromMs, toMs } = batch;
  const verdict = verdictOf(candidate);
  if (overlapping || (verdict === 'scored' && candidate.items === undefined))
    return servedStretch(context, { fromMs, toMs }, verdict);
  return {
    fromMs,
    toMs,
    batchId: batch.id,
    verdict,
    seen: candidate.windows > 0,
    items: candidate.items ?? [],
  };
}

function verdictOf({ status, class: cause }: AlarmCandidate): StretchVerdict {
  if (status === 'scored' || status === 'cancelled') return status;
  return (cause as StretchVerdict | undefined) ?? 'internal';
}

/** The windows of a period as readers are served them now. @param verdict when none are */
async function servedStretch(
  { deps, batch, rules, candidate }: Deciding,
  { fromMs, toMs }: Period,
  verdict: StretchVerdict,
): Promise<Stretch> {
  const { sensorId, device, sensor, windows } = candidate;
  const rows = await readPredictions(deps, { id: sensorId, device, sensor, unit: '' }, { fromMs, toMs });
  const [model] = await deps.store.listReleaseModels(batch.release, { after: sensorId - 1, limit: 1 });
  const threshold = model?.sensorId === sensorId ? model.threshold : undefined;
  const items = await servedItems(rows, threshold, senseOf(rules), deps.windows);
  const own = verdict === 'scored' && rows.length === 0 ? 'no_data' : verdict;
  return {
    fromMs,
    toMs,
    batchId: batch.id,
    verdict: rows.length > 0 ? 'scored' : own,
    seen: rows.length > 0 || windows > 0,
    items,
  };
}

/** The newest window before a time, and how long its value has been the same. */
async function beforeOf({ deps, rule, candidate }: Deciding, atMs: number): Promise<Before> {
  const { store, windows } = deps;
  const { sensorId } = candidate;
  const newest = await store.lastWindowBefore(sensorId, atMs);
  if (newest === undefined) return {};
  const seenMs = newest + windows.windowMs;
  if (rule.stuckMs === undefined) return { seenMs };
  const past = await store.readSensorWindows(sensorId, {
    fromMs: newest - rule.stuckMs - windows.windowMs,
    toMs: newest + 1,
  });
  const value = past.at(-1)!.mean;
  const flat = past.slice(past.findLastIndex(({ mean }) => mean !== value) + 1);
  return { seenMs, flat: { sinceMs: flat[0]!.startMs, lastMs: seenMs, value, windows: flat.length } };
}
