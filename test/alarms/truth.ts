/** What the tests of alarms are built on: a sensor's windows, batches that look at them in any order, and one pass. */
import {
  isNotable,
  itemsOf,
  within,
  type SensorRows,
  type Stretch,
  type StretchVerdict,
} from '../../alarms/evidence.ts';
import { rework, type Link, type Rework } from '../../alarms/chain.ts';
import type { Before, Unfinished } from '../../alarms/track.ts';
import { carriedOf, reconcile } from '../../alarms/reconcile.ts';
import type { AlarmRule, Sense } from '../../alarms/rules.ts';
import type { AlarmRecord } from '../../domain/alarm.ts';
import type { Period } from '../../domain/time.ts';
import { isDue, startsIn, type WindowShape } from '../../domain/windowing.ts';

export const HOP = 5_000;
export const SHAPE: WindowShape = { windowMs: HOP, hopMs: HOP };

/** A window of the truth: its number, its score (below 0: anomalous) and its value. */
export interface TruthWindow {
  readonly at: number;
  readonly score: number;
  readonly value: number;
}

/** A batch: windows from number `from` up to `to`, and what became of the sensor. */
export interface Look {
  readonly from: number;
  readonly to: number;
  readonly verdict?: StretchVerdict;
}

export const senseFor = (rule: AlarmRule): Sense => ({
  onWindows: 'windows' in rule.onDelay ? rule.onDelay.windows : Number.POSITIVE_INFINITY,
  onMs: 'ms' in rule.onDelay ? rule.onDelay.ms : Number.POSITIVE_INFINITY,
  deadband: rule.deadband,
  silentMs: rule.silentMs ?? Number.POSITIVE_INFINITY,
  stuckMs: rule.stuckMs ?? Number.POSITIVE_INFINITY,
});

function windowsIn(truth: readonly TruthWindow[], period: Period, shape: WindowShape): TruthWindow[] {
  const { fromMs, toMs } = startsIn(period, shape);
  return truth.filter(({ at }) => at * shape.hopMs >= fromMs && at * shape.hopMs < toMs);
}

const rowsOf = (windows: readonly TruthWindow[], { hopMs }: WindowShape): SensorRows => ({
  from: 0,
  to: windows.length,
  startMs: Float64Array.from(windows, ({ at }) => at * hopMs),
  value: Float64Array.from(windows, ({ value }) => value),
  scored: new Uint8Array(windows.length).fill(1),
  anomaly: Uint8Array.from(windows, ({ score }) => (score < 0 ? 1 : 0)),
  score: Float64Array.from(windows, ({ score }) => score),
});

/** The windows of a period as a chunk hands them on. */
export function stretchOf(
  truth: readonly TruthWindow[],
  period: Period,
  rule: AlarmRule,
  batchId: string,
  shape: WindowShape = SHAPE,
): Stretch {
  const windows = windowsIn(truth, period, shape);
  return {
    ...period,
    batchId,
    verdict: windows.length === 0 && isDue(period, shape) ? 'no_data' : 'scored',
    seen: windows.length > 0,
    items: itemsOf(rowsOf(windows, shape), senseFor(rule), shape),
  };
}

function notable(truth: readonly TruthWindow[], period: Period, rule: AlarmRule, shape: WindowShape): boolean {
  const windows = windowsIn(truth, period, shape);
  const anomalies = windows.filter(({ score }) => score < 0).length;
  return isNotable(rowsOf(windows, shape), anomalies, startsIn(period, shape), senseFor(rule), shape);
}

interface Place {
  readonly ms: number;
  readonly unfinished?: Unfinished;
}

/** A sensor's chain and alarms, as the store would keep them. */
export class Keeper {
  links: Link[] = [];
  records: AlarmRecord[] = [];
  /** Every event, in order. */
  events: string[] = [];
  /** Stretches that had to be read back. */
  reads = 0;
  /** Most items of evidence that one turn wrote. */
  largest = 0;
  private readonly looked: Period[] = [];
  private readonly rule: AlarmRule;
  private readonly shape: WindowShape;
  private readonly most: number;

  /**
   * @param shape of the sensor's windows; batches are cut in hops of the fleet's
   * @param most items of a stretch, links, and stretches that are read back, that one turn has
   */
  constructor(rule: AlarmRule, shape: WindowShape = SHAPE, most = 1_000_000) {
    this.rule = rule;
    this.shape = shape;
    this.most = most;
  }

  /** One batch over the truth of its time. */
  look(truth: readonly TruthWindow[], look: Look, batchId = `b${look.from}-${look.to}`): void {
    for (const _ of this.turns(truth, look, batchId));
  }

  /** As {@link look}, turn by turn: others may look in between, and each turn sees what they left. */
  *turns(
    truth: readonly TruthWindow[],
    { from, to, verdict }: Look,
    batchId = `b${from}-${to}`,
  ): Generator<undefined, undefined> {
    const period = { fromMs: from * HOP, toMs: to * HOP };
    let at: Place = { ms: period.fromMs };
    const late = this.looked.some(({ toMs }) => toMs > period.fromMs);
    const own = this.looked.length;
    this.looked.push(period);
    while (true) {
      const atMs = at.ms;
      const stretch =
        atMs >= period.toMs
          ? undefined
          : verdict
            ? { fromMs: atMs, toMs: period.toMs, batchId, verdict, seen: true, items: [] }
            : this.part(stretchOf(truth, { ...period, fromMs: atMs }, this.rule, batchId, this.shape));
      const later = this.looked.filter(({ toMs }, i) => i !== own && toMs > atMs).sort((a, b) => a.fromMs - b.fromMs);
      const next = this.turn(truth, { period, at, stretch, later, late, batchId });
      if (next === undefined) return undefined;
      at = next;
      yield undefined;
    }
  }

  private part(stretch: Stretch): Stretch {
    const next = stretch.items[this.most];
    return next ? within(stretch, { fromMs: stretch.fromMs, toMs: next[1] }) : stretch;
  }

  private turn(
    truth: readonly TruthWindow[],
    {
      period,
      at: { ms: atMs, unfinished },
      stretch: whole,
      later,
      late,
      batchId,
    }: {
      readonly period: Period;
      readonly at: Place;
      readonly stretch: Stretch | undefined;
      readonly later: readonly Period[];
      readonly late: boolean;
      readonly batchId: string;
    },
  ): Place | undefined {
    const all = this.links.filter((link) => link.toMs > atMs);
    const links = all.slice(0, this.most);
    const knownMs = all[this.most]?.fromMs ?? Number.POSITIVE_INFINITY;
    const firstMs = Math.min(atMs, links[0]?.fromMs ?? atMs);
    const entry = this.links.findLast((link) => link.toMs <= firstMs);
    if (whole && atMs === period.fromMs) {
      const silent = whole.items.length === 0;
      const atRest = !entry?.state && links.length === 0;
      if (atRest && !isDue(period, this.shape)) return undefined;
      if (!silent && atRest && !notable(truth, period, this.rule, this.shape)) return undefined;
    }
    const stretch = whole && whole.toMs > knownMs ? within(whole, { fromMs: atMs, toMs: knownMs }) : whole;
    const endMs = stretch && stretch.toMs < period.toMs ? stretch.toMs : knownMs;
    let work: Rework = {
      fromMs: atMs,
      links,
      ...(unfinished ? { unfinished } : {}),
      later,
      before: new Map(),
      ...(stretch ? { stretch } : {}),
      ...(entry ? { entry } : {}),
      ...(Number.isFinite(endMs) ? { untilMs: endMs } : {}),
    };
    let reads = 0;
    for (;;) {
      const result = rework(work, this.rule, this.shape);
      if (result.need === 'before') {
        work = {
          ...work,
          before: new Map([...work.before, [result.atMs, beforeOf(truth, result.atMs, this.rule, this.shape)]]),
        };
        continue;
      }
      if (result.need === 'stretch') {
        this.reads += 1;
        const piece = this.part(stretchOf(truth, result.period, this.rule, 'read', this.shape));
        reads += 1;
        const isEnough = piece.toMs < result.period.toMs || reads >= this.most;
        work = {
          ...work,
          later: [...work.later, piece],
          ...(isEnough ? { untilMs: Math.min(piece.toMs, work.untilMs ?? piece.toMs) } : {}),
        };
        continue;
      }
      const written = result.put.reduce((sum, { items }) => sum + items.length, 0);
      this.largest = Math.max(this.largest, written);
      const input = {
        sensorId: 1,
        stored: this.records,
        found: result.alarms,
        replaced: result.replaced,
        rule: this.rule,
        late,
        batchId,
        toMs: period.toMs,
        fromMs: result.span.fromMs,
        ...(result.next === undefined ? {} : { nextMs: result.next }),
      };
      for (const { record, changes } of reconcile(input)) {
        this.records = [...this.records.filter(({ id }) => id !== record.id), record];
        this.events.push(...changes.map(({ change, timeMs }) => `${record.kind} ${change} ${timeMs / HOP}`));
      }
      this.links = [...this.links.filter((link) => !result.drop.includes(link.fromMs)), ...result.put].sort(
        (a, b) => a.fromMs - b.fromMs,
      );
      const { nextMs: ms, was } = result;
      return ms === undefined ? undefined : { ms, unfinished: { carried: carriedOf(input), ...(was ? { was } : {}) } };
    }
  }

  /** Alarms that stand, without what depends on the names of batches. */
  standing(): unknown[] {
    return this.records
      .filter(({ withdrawn }) => withdrawn === undefined)
      .map(({ kind, facts }) => {
        const { firstBatch: _, lastBatch: __, ...rest } = facts;
        return { kind, ...rest };
      })
      .sort((a, b) => a.kind.localeCompare(b.kind) || a.sinceMs - b.sinceMs);
  }
}

function beforeOf(
  truth: readonly TruthWindow[],
  atMs: number,
  rule: AlarmRule,
  { hopMs, leadMs = 0 }: WindowShape,
): Before {
  const windows = truth.filter(({ at }) => at * hopMs < atMs - leadMs);
  const last = windows.at(-1);
  if (!last) return {};
  const run = windows.slice(windows.findLastIndex(({ value }) => value !== last.value) + 1);
  const lastMs = (last.at + 1) * hopMs;
  return {
    seenMs: lastMs,
    ...(rule.stuckMs === undefined
      ? {}
      : { flat: { sinceMs: run[0]!.at * hopMs, lastMs, value: last.value, windows: run.length } }),
  };
}

/** What one batch over everything finds. */
export function onePass(truth: readonly TruthWindow[], from: number, to: number, rule: AlarmRule): Keeper {
  const keeper = new Keeper(rule);
  keeper.look(truth, { from, to });
  return keeper;
}
