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
import { windowStart, type Period } from '../domain/time.ts';
import { windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import { ownWindows } from '../scoring/own-series.ts';
import { readPredictions } from '../scoring/read-predictions.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { AlarmCandidate, AlarmProgress, Batch, DecidedSensor, Store, StoredAlarmRules } from '../storage/store.ts';
import { servedItems } from './served-items.ts';

export interface DecideDeps {
  readonly store: Store;
  readonly blobs: Pick<BlobStore, 'get'>;
  readonly windows: WindowShape;
}

/** @throws FleetscoreError `ALARM_RULES_INVALID` */
export const rulesOf = (stored: StoredAlarmRules | undefined): AlarmRules =>
  stored ? parseRules(stored.text, `version ${stored.version} of the rules of alarms`) : NO_RULES;

interface Deciding {
  readonly deps: DecideDeps;
  /** The windows that the sensor is scored in. */
  readonly shape: WindowShape;
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
  const context = decidingOn(deps, batch, rules, candidate);
  const later = others.filter(({ toMs }) => toMs > batch.fromMs);
  const stretch = given ?? (await ownStretch(context, overlaps(batch, others)));
  const chained = await untilKnown(context, { stretch, links, later, before: new Map(), ...(entry ? { entry } : {}) });
  const changed = reconcile({
    sensorId,
    // Others look after those of no batch: predictions say nothing of them (unplanned.ts).
    stored: alarms.filter(({ kind }) => kind !== 'unplanned'),
    found: chained.alarms,
    replaced: chained.replaced,
    rule: context.rule,
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
): Promise<Stretch> => servedStretch(decidingOn(deps, batch, rules, candidate), batch, verdictOf(candidate));

const decidingOn = (deps: DecideDeps, batch: Batch, rules: AlarmRules, candidate: AlarmCandidate): Deciding => ({
  deps,
  shape: windowsOfSensor(deps.windows, candidate.windowMs),
  batch,
  rules,
  rule: ruleFor(rules, candidate, batch.release),
  candidate,
});

/** Folds, and reads what is asked for, until nothing is. */
async function untilKnown(context: Deciding, begin: Rework): Promise<Chained> {
  const { shape, rule } = context;
  for (let work = begin; ;) {
    const result = rework(work, rule, shape);
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
  { deps, shape, batch, rules, candidate }: Deciding,
  { fromMs, toMs }: Period,
  verdict: StretchVerdict,
): Promise<Stretch> {
  const { sensorId, device, sensor, windows } = candidate;
  const named = { id: sensorId, device, sensor, unit: '' };
  const all = await readPredictions(deps, named, { fromMs, toMs }, { belonging: deps.windows });
  // Where an earlier release looked at windows of another length, those say nothing beside these.
  const rows = all.filter(({ windowMs }) => windowMs === candidate.windowMs);
  const [model] = await deps.store.listReleaseModels(batch.release, { after: sensorId - 1, limit: 1 });
  const threshold = model?.sensorId === sensorId ? model.threshold : undefined;
  const items = await servedItems(rows, threshold, senseOf(rules), shape);
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
async function beforeOf({ deps, shape, rule, candidate }: Deciding, atMs: number): Promise<Before> {
  const { store } = deps;
  const { sensorId, windowMs } = candidate;
  const { hopMs, leadMs = 0 } = shape;
  const last = await store.lastWindowBefore(
    sensorId,
    windowMs === undefined ? atMs : Math.ceil((atMs - leadMs) / hopMs) * hopMs,
  );
  if (last === undefined) return {};
  const newest = windowMs === undefined ? last : windowStart(last, hopMs);
  const seenMs = newest + shape.windowMs;
  if (rule.stuckMs === undefined) return { seenMs };
  const span = { fromMs: newest - rule.stuckMs - shape.windowMs, toMs: newest + 1 };
  const past =
    windowMs === undefined
      ? await store.readSensorWindows(sensorId, span)
      : await ownWindows(store, { id: sensorId, windowMs }, { ...span, toMs: seenMs }, deps.windows);
  const value = past.at(-1)!.mean;
  const flat = past.slice(past.findLastIndex(({ mean }) => mean !== value) + 1);
  return { seenMs, flat: { sinceMs: flat[0]!.startMs, lastMs: seenMs, value, windows: flat.length } };
}
