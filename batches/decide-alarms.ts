/**
 * The alarms of sensors once a batch has looked at them: their windows take the place of what was there for their time,
 * and what follows is folded again until it comes to the state that it had. What is much is left for other turns, each
 * of which says how far it came. Deciding on the same twice changes nothing, which is what `verify` asks for.
 */
import { rework, type Chained, type Rework } from '../alarms/chain.ts';
import { within, type Stretch, type StretchVerdict } from '../alarms/evidence.ts';
import type { Before, Unfinished } from '../alarms/track.ts';
import { carriedOf, CHATTER_MS, reconcile, type RecordChange, type ReconcileInput } from '../alarms/reconcile.ts';
import { NO_RULES, parseRules, ruleFor, senseOf, type AlarmRule, type AlarmRules } from '../alarms/rules.ts';
import type { AlarmRecord } from '../domain/alarm.ts';
import { windowStart, type Period } from '../domain/time.ts';
import { windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import { ownWindows } from '../scoring/own-series.ts';
import { predictionRows } from '../scoring/read-predictions.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type {
  AlarmCandidate,
  AlarmChain,
  AlarmPlace,
  AlarmProgress,
  AlarmSpan,
  Batch,
  DecidedSensor,
  PredictionSource,
  Store,
  StoredAlarmRules,
} from '../storage/store.ts';
import { defined } from '../domain/defined.ts';
import { ALARM_LIMITS, type AlarmLimits } from './alarm-limits.ts';
import { stretchReader, type StretchReader } from './served-stretches.ts';

export interface DecideDeps {
  readonly store: Store;
  readonly blobs: Pick<BlobStore, 'get'>;
  readonly windows: WindowShape;
  /** @default ALARM_LIMITS */
  readonly limits?: AlarmLimits;
}

/** @throws FleetscoreError `ALARM_RULES_INVALID` */
export const rulesOf = (stored: StoredAlarmRules | undefined): AlarmRules =>
  stored ? parseRules(stored.text, `version ${stored.version} of the rules of alarms`) : NO_RULES;

/** One sensor of a batch, for all turns that it takes. */
export interface Deciding {
  readonly deps: DecideDeps;
  /** The windows that the sensor is scored in. */
  readonly shape: WindowShape;
  readonly batch: Batch;
  readonly rules: AlarmRules;
  readonly rule: AlarmRule;
  readonly candidate: AlarmCandidate;
  readonly reader: StretchReader;
}

/** What is known when a turn begins. */
export interface TurnInput {
  readonly others: AlarmProgress['others'];
  /** From when on the sensor is decided on, epoch ms; that of the batch, or where the last turn ended. */
  readonly fromMs: number;
  readonly chain: AlarmChain;
  /** What earlier turns left to this one; absent for the first. */
  readonly unfinished?: Unfinished;
}

/** What one turn came to, before it is compared with the alarms on record. */
export interface Turn {
  readonly context: Deciding;
  readonly chained: Chained;
  /** Batches have looked further than this one. */
  readonly isLate: boolean;
}

export const overlaps = (batch: Period, others: readonly Period[]): boolean =>
  others.some(({ fromMs, toMs }) => fromMs < batch.toMs && toMs > batch.fromMs);

export const decidingOn = (deps: DecideDeps, batch: Batch, rules: AlarmRules, candidate: AlarmCandidate): Deciding => ({
  deps,
  shape: windowsOfSensor(deps.windows, candidate.windowMs),
  batch,
  rules,
  rule: ruleFor(rules, candidate, batch.release),
  candidate,
  reader: readerOf(deps, candidate),
});

/** @param given what the batch says of the sensor from then on, where it is not to be taken from the candidate */
export async function foldTurn(context: Deciding, input: TurnInput, given?: Stretch): Promise<Turn> {
  const { batch } = context;
  const { others, fromMs, chain, unfinished } = input;
  const later = others.filter(({ toMs }) => toMs > fromMs);
  const own =
    fromMs < batch.toMs ? (given ?? (await ownStretch(context, { fromMs, toMs: batch.toMs }, later))) : undefined;
  // Behind links that are not read, nothing is decided on.
  const { untilMs: knownMs = Number.POSITIVE_INFINITY } = chain;
  const stretch = own && own.toMs > knownMs ? within(own, { fromMs, toMs: knownMs }) : own;
  const endMs = stretch && stretch.toMs < batch.toMs ? stretch.toMs : knownMs;
  const chained = await untilKnown(context, {
    fromMs,
    links: chain.links,
    later,
    before: new Map(),
    ...defined({ stretch, entry: chain.entry, unfinished, untilMs: Number.isFinite(endMs) ? endMs : undefined }),
  });
  return { context, chained, isLate: later.some(({ toMs }) => toMs > batch.toMs) };
}

/** What turns of different sensors change, beside the alarms on record of them; and where the last one goes on. */
export async function decidedOf(
  store: Store,
  turns: readonly Turn[],
): Promise<{ readonly sensors: readonly DecidedSensor[]; readonly at?: AlarmPlace }> {
  const stored = await store.alarmRecords(turns.map(spanOf));
  const first = turns.map((turn, i) => changesOf(turn, stored[i]!));
  // An alarm that had an id and begins at another time now may have been left out.
  const fresh = first.map((changes, i) => newIds(changes, stored[i]!));
  const taken = Map.groupBy(await recordsOfIds(store, fresh.flat()), ({ sensorId }) => sensorId);
  const sensors = turns.map((turn, i) => {
    const { sensorId } = turn.context.candidate;
    const { put, drop, live } = turn.chained;
    const others = taken.get(sensorId) ?? [];
    const alarms = others.length === 0 ? first[i]! : changesOf(turn, [...stored[i]!, ...others]);
    return { sensorId, put, drop, alarms, ...defined({ live }) };
  });
  const last = turns.at(-1);
  if (last?.chained.nextMs === undefined) return { sensors };
  const { nextMs: ms, was } = last.chained;
  return { sensors, at: { ms, carried: carriedOf(reconciling(last, stored.at(-1)!)), ...defined({ was }) } };
}

/** Where the alarms are that a turn may change, and those that tell how often a sensor went off. */
export function spanOf({ context, chained }: Turn): AlarmSpan {
  const { span, replaced, alarms } = chained;
  const own = { fromMs: span.fromMs - CHATTER_MS, toMs: span.toMs + CHATTER_MS + 1 };
  const isOwn = (ms: number): boolean => ms >= own.fromMs && ms < own.toMs;
  const active = [...alarms.map(({ facts }) => facts.activeMs), ...replaced.map((key) => key.activeMs ?? key.sinceMs)];
  const earlier = new Set(active.filter((ms) => ms < span.fromMs));
  return {
    sensorId: context.candidate.sensorId,
    periods: [own, ...[...earlier].map((ms) => ({ fromMs: ms - CHATTER_MS, toMs: ms + CHATTER_MS }))],
    starts: replaced.map(({ sinceMs }) => sinceMs).filter((sinceMs) => !isOwn(sinceMs)),
  };
}

const recordsOfIds = async (store: Store, ids: readonly string[]): Promise<readonly AlarmRecord[]> =>
  ids.length === 0 ? [] : store.alarmRecordsOf(ids);

function newIds(changes: readonly RecordChange[], stored: readonly AlarmRecord[]): string[] {
  const known = new Set(stored.map(({ id }) => id));
  return changes.map(({ record }) => record.id).filter((id) => !known.has(id));
}

export const changesOf = (turn: Turn, stored: readonly AlarmRecord[]): RecordChange[] =>
  reconcile(reconciling(turn, stored));

function reconciling({ context, chained, isLate }: Turn, stored: readonly AlarmRecord[]): ReconcileInput {
  const { batch, candidate, rule } = context;
  return {
    sensorId: candidate.sensorId,
    // Others look after those of no batch: predictions say nothing of them (unplanned.ts).
    stored: stored.filter(({ kind }) => kind !== 'unplanned'),
    found: chained.alarms,
    replaced: chained.replaced,
    rule,
    late: isLate,
    batchId: batch.id,
    toMs: batch.toMs,
    fromMs: chained.span.fromMs,
    ...defined({ nextMs: chained.next }),
  };
}

/** Folds, and reads what is asked for, until nothing is. */
async function untilKnown(context: Deciding, begin: Rework): Promise<Chained> {
  const { shape, rule, deps } = context;
  const { limits = ALARM_LIMITS } = deps;
  let reads = 0;
  for (let work = begin; ;) {
    const result = rework(work, rule, shape);
    if (result.need === undefined) return result;
    if (result.need === 'before') {
      const before = await beforeOf(context, result.atMs);
      work = { ...work, before: new Map([...work.before, [result.atMs, before]]) };
      continue;
    }
    const piece = await servedStretch(context, result.period, 'cancelled');
    if (result.period.toMs <= begin.fromMs) {
      work = { ...work, later: [...work.later, piece, ...(await restOf(context, piece, result.period))] };
      continue;
    }
    reads += 1;
    const isEnough = piece.toMs < result.period.toMs || reads >= limits.reads;
    const untilMs = isEnough ? Math.min(piece.toMs, work.untilMs ?? piece.toMs) : work.untilMs;
    work = { ...work, later: [...work.later, piece], ...defined({ untilMs }) };
  }
}

/** What just precedes a turn is read whole: it is no more than an alarm takes to become active. */
async function restOf(context: Deciding, first: Stretch, { toMs }: Period): Promise<Stretch[]> {
  const pieces: Stretch[] = [];
  for (let last = first; last.toMs < toMs; pieces.push(last))
    last = await servedStretch(context, { fromMs: last.toMs, toMs }, 'cancelled');
  return pieces;
}

/** What the batch says of the sensor; what is served of it, where other batches looked at the same time. */
async function ownStretch(context: Deciding, period: Period, others: readonly Period[]): Promise<Stretch> {
  const { batch, candidate } = context;
  const { items, unscored = [] } = candidate;
  const verdict = verdictOf(candidate);
  if (overlaps(period, others)) return servedStretch(context, period, verdict);
  if (verdict === 'scored' && items === undefined) return servedStretch(context, period, verdict, unscored);
  const { fromMs, toMs } = batch;
  const own = { fromMs, toMs, batchId: batch.id, verdict, seen: candidate.windows > 0, items: items ?? [] };
  return period.fromMs === fromMs ? own : within(own, period);
}

export function verdictOf({ status, class: cause }: AlarmCandidate): StretchVerdict {
  if (status === 'scored' || status === 'cancelled') return status;
  return (cause as StretchVerdict | undefined) ?? 'internal';
}

/**
 * The windows of a period as readers are served them now, as far as one turn goes.
 * @param verdict when none are
 * @param unscored windows of the batch that are in no file
 */
export async function servedStretch(
  { deps, shape, batch, rules, candidate, reader }: Deciding,
  period: Period,
  verdict: StretchVerdict,
  unscored: AlarmCandidate['unscored'] = [],
): Promise<Stretch> {
  const { sensorId, windows } = candidate;
  const [model] = await deps.store.listReleaseModels(batch.release, { after: sensorId - 1, limit: 1 });
  const threshold = model?.sensorId === sensorId ? model.threshold : undefined;
  return reader.read(await deps.store.predictionSources(sensorId, period), {
    period,
    batchId: batch.id,
    verdict,
    seen: windows > 0,
    isRest: period.fromMs > batch.fromMs,
    sense: senseOf(rules),
    shape,
    unscored,
    items: (deps.limits ?? ALARM_LIMITS).items,
    ...defined({ threshold }),
  });
}

function readerOf(deps: DecideDeps, { sensorId, device, sensor, windowMs }: AlarmCandidate): StretchReader {
  const named = { id: sensorId, device, sensor, unit: '' };
  return stretchReader(async function* (sources, period) {
    const options = { belonging: deps.windows, sources: sources as readonly PredictionSource[] };
    for await (const page of predictionRows(deps, named, period, options)) {
      // Where an earlier release looked at windows of another length, those say nothing beside these.
      const rows = page.filter((row) => row.windowMs === windowMs);
      if (rows.length > 0) yield rows;
    }
  }, within);
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
