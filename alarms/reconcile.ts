/**
 * Alarms as they are now against those on record: new ones, ones that went on, ones that late data or a new score
 * changed, ones that nothing supports any more. Nothing is deleted and nothing that people did is lost. Deciding again
 * on the same gives no change and no event.
 */
import {
  NO_MARKS,
  type AlarmChange,
  type AlarmFacts,
  type AlarmKind,
  type AlarmRecord,
  type AlarmStep,
} from '../domain/alarm.ts';
import type { FoundAlarm } from './excursion.ts';
import type { AlarmKey } from './track.ts';
import type { AlarmRule } from './rules.ts';
import { HOUR_MS } from '../domain/time.ts';
import { sha256Of } from '../domain/sha256.ts';

export type NextStarts = Readonly<Record<Exclude<AlarmKind, 'unplanned'>, number>>;

export interface ReconcileInput {
  readonly sensorId: number;
  /**
   * Of the sensor: those that `replaced` names, and all that began between {@link CHATTER_MS} before and after what is
   * decided on, or than any of `found` and `replaced` became active. Others may be there too.
   */
  readonly stored: readonly AlarmRecord[];
  readonly found: readonly FoundAlarm[];
  readonly replaced: readonly AlarmKey[];
  readonly rule: AlarmRule;
  /** What is decided on is older than what was looked at before. */
  readonly late: boolean;
  readonly batchId: string;
  /** End of the period that the batch looked at, epoch ms: the time of corrections. */
  readonly toMs: number;
  /** Start of what is decided on: how often an alarm that became active before comes is on record already. */
  readonly fromMs: number;
  /**
   * Where there is more to decide on, in a later turn: no alarm that is found there begins before, by kind. What is on
   * record as lasting longer may still be one of those.
   */
  readonly nextMs?: NextStarts;
}

export interface RecordChange {
  readonly record: AlarmRecord;
  readonly changes: readonly { readonly change: AlarmChange; readonly timeMs: number; readonly batchId: string }[];
}

/** Activations within this time count as chattering. */
export const CHATTER_MS = HOUR_MS;

/**
 * Short enough to be typed, long enough to be one of a kind: 60 bits. An alarm keeps its id when late data move its
 * start, so another one may come to begin where it did: that one has the next `number`.
 */
export const alarmId = (sensorId: number, { kind, sinceMs }: AlarmKey, number = 0): string =>
  sha256Of(`${sensorId}/${kind}/${sinceMs}${number === 0 ? '' : `/${number}`}`).slice(0, 15);

/** The id of a new alarm; that of one that was withdrawn, if it began then. */
function freeId(records: ReadonlyMap<string, AlarmRecord>, sensorId: number, key: AlarmKey): string {
  for (let number = 0; ; number++) {
    const id = alarmId(sensorId, key, number);
    const record = records.get(id);
    if (!record || (record.withdrawn && record.facts.sinceMs === key.sinceMs)) return id;
  }
}

const nameOf = (kind: AlarmKind, sinceMs: number): string => `${kind}/${sinceMs}`;

export function reconcile(input: ReconcileInput): RecordChange[] {
  const { stored } = input;
  const { pairs } = settledOf(input);
  const next = new Map(stored.map((record) => [record.id, record]));
  for (const { was, now } of pairs) {
    if (now) {
      const record = was
        ? { ...was, facts: { ...now.facts, activations: was.facts.activations } }
        : newRecord(input, now, next);
      next.set(record.id, record);
    } else next.set(was.id, { ...was, withdrawn: true });
  }
  const before = new Map(stored.map((record) => [record.id, record]));
  // What became active before, and is not near to what changes, is counted already and rests on alarms that may not be
  // here.
  const touched = [
    ...input.found.map(({ facts }) => facts.activeMs),
    ...pairs.flatMap(({ was }) => was?.facts.activeMs ?? []),
  ].filter((ms) => ms < input.fromMs);
  countActivations(
    next,
    ({ facts: { activeMs } }) =>
      activeMs >= input.fromMs || touched.some((ms) => activeMs >= ms && activeMs < ms + CHATTER_MS),
  );
  return [...next.values()].flatMap((record): RecordChange[] => {
    const change = changeOf(before.get(record.id), record, input);
    return change ? [change] : [];
  });
}

/**
 * What a later turn has to replace: alarms on record that may still be one of those it finds, and those that nobody has
 * put on record yet, who may until then.
 */
export const carriedOf = (input: ReconcileInput): readonly AlarmKey[] => settledOf(input).carried;

/**
 * What becomes of the alarms on record, and what of them is left to a later turn. One that lasts into what is left, and
 * shares time with one that is found now, is that one and keeps what people did: what comes later begins behind it.
 */
function settledOf(input: ReconcileInput): { readonly pairs: readonly Pair[]; readonly carried: readonly AlarmKey[] } {
  const { records, left, ahead, carried } = replacedOf(input);
  const waits = [...left.map(({ record }) => record), ...ahead];
  const byEnd = [...records, ...waits].sort((a, b) => (endOf(a) === endOf(b) ? 0 : endOf(a) - endOf(b)));
  const isLeft = new Set(waits);
  const pairs = paired(byEnd, input.found).filter(({ was, now }) => now !== undefined || !isLeft.has(was));
  const settled = new Set(pairs.map(({ was }) => was));
  return { pairs, carried: [...carried, ...left.flatMap(({ key, record }) => (settled.has(record) ? [] : [key]))] };
}

const startAfter = (nextMs: NextStarts | undefined, kind: AlarmKind): number =>
  nextMs === undefined || kind === 'unplanned' ? Number.POSITIVE_INFINITY : nextMs[kind];

const endOf = ({ facts }: AlarmRecord): number => facts.clearedMs ?? Number.POSITIVE_INFINITY;

interface Left {
  readonly key: AlarmKey;
  readonly record: AlarmRecord;
}

/** Of several that begin and become active at the same time the one that ended first: what goes on is the last. */
function replacedOf({ stored, found, replaced, nextMs }: ReconcileInput): {
  readonly records: readonly AlarmRecord[];
  /** On record as lasting into what a later turn decides on. */
  readonly left: readonly Left[];
  /** On record as becoming active there: a later turn is the first to replace them. */
  readonly ahead: readonly AlarmRecord[];
  /** Not on record. */
  readonly carried: readonly AlarmKey[];
} {
  const byName = Map.groupBy(
    stored.filter(({ withdrawn }) => withdrawn === undefined),
    ({ kind, facts }) => nameOf(kind, facts.sinceMs),
  );
  const ended = new Set(found.map(({ kind, facts }) => nameOf(kind, facts.sinceMs)));
  const records: AlarmRecord[] = [];
  const left: Left[] = [];
  const carried: AlarmKey[] = [];
  for (const key of replaced) {
    const name = nameOf(key.kind, key.sinceMs);
    const named = byName.get(name) ?? [];
    const same = named.filter(({ facts }) => key.activeMs === undefined || facts.activeMs === key.activeMs);
    const record = same.reduce<AlarmRecord | undefined>((a, b) => (a && endOf(a) <= endOf(b) ? a : b), undefined);
    const mayComeLater = nextMs !== undefined && !ended.has(name);
    if (!record) carried.push(...(mayComeLater ? [key] : []));
    else if (mayComeLater && endOf(record) > startAfter(nextMs, key.kind)) left.push({ key, record });
    else records.push(record);
    if (record) named.splice(named.indexOf(record), 1);
  }
  const ahead =
    nextMs === undefined
      ? []
      : [...byName.values()].flat().filter(({ kind, facts }) => facts.activeMs >= startAfter(nextMs, kind));
  return { records, left, ahead, carried };
}

type Pair =
  | { readonly was?: AlarmRecord; readonly now: FoundAlarm }
  | { readonly was: AlarmRecord; readonly now?: undefined };

/**
 * First by their start, then by what they share of time. Alarms of a kind do not overlap each other, so that both are
 * gone through once, in order of time: a sensor may have thousands.
 */
function paired(stored: readonly AlarmRecord[], found: readonly FoundAlarm[]): Pair[] {
  // Late data may have moved two to one start.
  const left = Map.groupBy(stored, ({ kind, facts }) => nameOf(kind, facts.sinceMs));
  const pairs: Pair[] = [];
  const open: FoundAlarm[] = [];
  for (const now of found) {
    const was = left.get(nameOf(now.kind, now.facts.sinceMs))?.pop();
    if (was) pairs.push({ was, now });
    else open.push(now);
  }
  const gone = new Set([...left.values()].flat());
  const rest = Map.groupBy(inTime([...gone]), ({ kind }): AlarmKind => kind);
  const at = new Map<AlarmKind, number>();
  for (const now of inTime(open)) {
    const ofKind = rest.get(now.kind) ?? [];
    let next = at.get(now.kind) ?? 0;
    while (next < ofKind.length && heldUntil(ofKind[next]!) <= now.facts.sinceMs) next += 1;
    const was = ofKind[next];
    if (was && overlap(was, now)) {
      gone.delete(was);
      pairs.push({ was, now });
      next += 1;
    } else pairs.push({ now });
    at.set(now.kind, next);
  }
  return [...pairs, ...[...gone].map((was) => ({ was }))];
}

const inTime = <T extends { readonly facts: FoundAlarm['facts'] }>(alarms: readonly T[]): T[] =>
  alarms.toSorted((a, b) => a.facts.sinceMs - b.facts.sinceMs);

const overlap = (a: FoundAlarm, b: FoundAlarm): boolean =>
  a.facts.sinceMs < heldUntil(b) && b.facts.sinceMs < heldUntil(a);

/** A value is another one from the start of a window on, at whose end its alarm is over: the next may begin there. */
function heldUntil({ kind, facts: { lastMs, clearedMs } }: FoundAlarm): number {
  if (clearedMs === undefined) return Number.POSITIVE_INFINITY;
  return kind === 'stuck' ? Math.min(lastMs, clearedMs) : clearedMs;
}

/** One of the same start that had been withdrawn comes back, with what people did to it. */
function newRecord(
  { sensorId, rule, late }: ReconcileInput,
  { kind, facts }: FoundAlarm,
  records: ReadonlyMap<string, AlarmRecord>,
): AlarmRecord {
  const id = freeId(records, sensorId, { kind, sinceMs: facts.sinceMs });
  const fresh = { marks: NO_MARKS, incident: id, version: 0, ...(late ? { late: true as const } : {}) };
  const { withdrawn: _, ...kept }: Partial<AlarmRecord> & typeof fresh = records.get(id) ?? fresh;
  return {
    ...kept,
    id,
    sensorId,
    kind,
    facts: { ...facts, activations: 1 },
    ...(rule.confirm ? { confirm: true as const } : {}),
    ...(rule.latch ? { latch: true as const } : {}),
  };
}

function countActivations(records: Map<string, AlarmRecord>, isCounted: (record: AlarmRecord) => boolean): void {
  const all = [...records.values()].filter(({ withdrawn }) => withdrawn === undefined);
  for (const ofKind of Map.groupBy(all, ({ kind }) => kind).values()) {
    const sorted = ofKind.toSorted((a, b) => a.facts.activeMs - b.facts.activeMs);
    let [from, to] = [0, 0];
    for (const record of sorted) {
      const { activeMs } = record.facts;
      while (to < sorted.length && sorted[to]!.facts.activeMs <= activeMs) to += 1;
      while (sorted[from]!.facts.activeMs <= activeMs - CHATTER_MS) from += 1;
      const activations = to - from;
      if (isCounted(record) && activations !== record.facts.activations)
        records.set(record.id, { ...record, facts: { ...record.facts, activations } });
    }
  }
}

function changeOf(was: AlarmRecord | undefined, now: AlarmRecord, input: ReconcileInput): RecordChange | undefined {
  if (was && (was === now || JSON.stringify(was) === JSON.stringify(now))) return undefined;
  const { batchId, toMs } = input;
  const steps = changesOf(was, now, toMs).map((change) => ({ ...change, batchId }));
  const isCorrected = steps.some(({ change }) => change === 'corrected' || change === 'reopened');
  return {
    record: { ...now, ...(isCorrected ? { corrected: true as const } : {}), version: now.version + steps.length },
    changes: steps,
  };
}

/** What has to be told: each step that is new, and that something that was told is not so any more. */
function changesOf(
  was: AlarmRecord | undefined,
  now: AlarmRecord,
  toMs: number,
): { readonly change: AlarmChange; readonly timeMs: number }[] {
  if (now.withdrawn) return was?.withdrawn ? [] : [{ change: 'withdrawn', timeMs: toMs }];
  const told = was && !was.withdrawn ? was.facts : undefined;
  const { steps } = now.facts;
  if (!told) return steps.map(({ change, timeMs }) => ({ change, timeMs }));
  const fresh = steps.filter((step) => !told.steps.some((old) => isSame(old, step)));
  const wrong = told.steps.filter((step) => !steps.some((other) => isSame(other, step)));
  if (wrong.length === 0 && !shrunk(told, now.facts)) return fresh.map(({ change, timeMs }) => ({ change, timeMs }));
  const reopened = told.clearedMs !== undefined && now.facts.clearedMs === undefined;
  const cleared = told.clearedMs === undefined ? fresh.filter(({ change }) => change === 'cleared') : [];
  return [
    { change: reopened ? 'reopened' : 'corrected', timeMs: toMs },
    ...cleared.map(({ change, timeMs }) => ({ change, timeMs })),
  ];
}

const isSame = (a: AlarmStep, b: AlarmStep): boolean =>
  a.change === b.change && a.timeMs === b.timeMs && a.severity === b.severity && a.quality === b.quality;

/** What only grows while an alarm goes on has become less, or an alarm that was over has become another one. */
function shrunk(told: AlarmFacts, now: AlarmFacts): boolean {
  if (told.sinceMs !== now.sinceMs || now.windows < told.windows) return true;
  return told.clearedMs !== undefined && (told.windows !== now.windows || told.peakScore !== now.peakScore);
}
