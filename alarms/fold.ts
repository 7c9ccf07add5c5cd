/**
 * From windows in order to alarms: a left fold. The state after a stretch and the next stretch give what both would
 * have given in one, so the cut into batches does not show. Times are those of windows; nothing asks a clock.
 * Limits and delays: OPC 10000-9 (1.05.03), 5.8.2 and 5.8.18.
 */
import type { AlarmKind } from '../domain/alarm.ts';
import { defined } from '../domain/defined.ts';
import type { WindowShape } from '../domain/windowing.ts';
import { earlier, type EvidenceItem, type Stretch } from './evidence.ts';
import {
  factsOf,
  isOver,
  raised,
  withoutOff,
  withStep,
  withWindow,
  type Excursion,
  type FoundAlarm,
  type OpenAlarm,
} from './excursion.ts';
import { lapsed, severityAt } from './lapse.ts';
import { isAtRest } from './rest.ts';
import type { AlarmRule } from './rules.ts';
import type { AlarmKey, Before, Folded, TrackState } from './track.ts';
import { isModelTrouble, saysNothing } from './verdicts.ts';
import { HOUR_MS } from '../domain/time.ts';

/** Windows whose absence makes the quality of an alarm bad. */
const BAD_AFTER_WINDOWS = 12;
/** A pending alarm is forgotten when its next window is this far. */
export const PENDING_GAP_MS = HOUR_MS;

export function fold(
  entry: TrackState | undefined,
  stretch: Stretch,
  rule: AlarmRule,
  shape: WindowShape,
  before?: Before,
): Folded {
  if (!rule.enabled) return { state: entry, raised: [], ended: [] };
  const { leadMs = 0 } = shape;
  // Of longer windows than the fleet's: where they start, so that durations are theirs.
  const own = leadMs === 0 ? stretch : earlier(stretch, leadMs);
  const run = new Run(entry && through(entry, -leadMs), own, rule, shape, before);
  for (const item of own.items) run.take(item);
  const { state, ...said } = run.end();
  return { ...said, state: state && through(state, leadMs) };
}

const through = (state: TrackState, ms: number): TrackState =>
  ms === 0 ? state : { ...state, throughMs: state.throughMs + ms };

/** One fold over one stretch: the state as it moves. */
class Run {
  private seenMs: number | undefined;
  private pending: Excursion | undefined;
  private failing: Excursion | undefined;
  private flat: TrackState['flat'] | undefined;
  private readonly open: { [K in AlarmKind]?: OpenAlarm };
  private readonly ended: FoundAlarm[] = [];
  private readonly raised: AlarmKey[] = [];
  private readonly stretch: Stretch;
  private readonly rule: AlarmRule;
  private readonly shape: WindowShape;

  constructor(
    entry: TrackState | undefined,
    stretch: Stretch,
    rule: AlarmRule,
    shape: WindowShape,
    before: Before | undefined,
  ) {
    this.seenMs = entry ? entry.seenMs : before?.seenMs;
    this.pending = entry?.pending;
    this.failing = entry?.failing;
    this.flat = entry ? entry.flat : before?.flat;
    this.open = { ...entry?.open };
    this.stretch = stretch;
    this.rule = rule;
    this.shape = shape;
    // No batch looked at the time between: nothing is known of it.
    if (entry && entry.throughMs < stretch.fromMs) this.takenAsSeen(stretch.fromMs);
  }

  take(item: EvidenceItem): void {
    const [code, start] = item;
    if (code === 1 || code === 2) {
      this.window(start, item[3]);
      if (code === 1) this.abnormal(start, item[2], item[3]);
      else this.inDeadband(start + this.shape.windowMs);
      return;
    }
    const [, , count, step] = item;
    const value = code === 3 ? item[4] : undefined;
    const stepMs = Math.max(1, step);
    for (let i = 0; i < count; i++) {
      const at = start + i * stepMs;
      this.window(at, value);
      if (code !== 4) this.normal(at);
      // What follows changes nothing that is carried but the time of the newest window.
      if (i > 0 && i < count - 2 && this.isCalm(stepMs)) {
        i = count - 2;
        this.seenMs = start + i * stepMs + this.shape.windowMs;
      }
    }
  }

  /** Nothing that a further normal window of the same run would change. */
  private isCalm(stepMs: number): boolean {
    const { silentMs = Number.POSITIVE_INFINITY, stuckMs } = this.rule;
    const { anomaly, silent, model, stuck } = this.open;
    const waits = anomaly || silent || model || stuck || this.pending || this.failing;
    return !waits && stuckMs === undefined && stepMs < silentMs;
  }

  private takenAsSeen(toMs: number): void {
    if (!this.open.silent && this.seenMs !== undefined) this.seenMs = Math.max(this.seenMs, toMs);
  }

  /** A window is there: whatever waits for one ends. A value that is undefined is one of its own. */
  private window(start: number, value: number | undefined): void {
    const end = start + this.shape.windowMs;
    this.silence(start);
    const { silent } = this.open;
    if (silent) this.close('silent', { ...silent, lastMs: start, windows: this.missing(silent.sinceMs, start) }, end);
    this.betterQuality(end);
    this.seenMs = end;
    if (this.flat && value === this.flat.value)
      this.flat = { ...this.flat, lastMs: end, windows: this.flat.windows + 1 };
    else {
      const { stuck } = this.open;
      if (stuck) this.close('stuck', { ...stuck, lastMs: this.flat?.lastMs ?? stuck.lastMs }, end);
      this.flat = value === undefined ? undefined : { sinceMs: start, lastMs: end, value, windows: 1 };
    }
    this.stuckTo(end);
  }

  private stuckTo(end: number): void {
    const { stuckMs } = this.rule;
    if (!this.flat || stuckMs === undefined) return;
    const { sinceMs, lastMs, value, windows } = this.flat;
    if (!this.open.stuck && windows * this.shape.hopMs >= stuckMs)
      this.activate('stuck', { ...this.here(sinceMs), lastMs, windows, peakValue: value }, end);
    const { stuck } = this.open;
    if (stuck) this.open.stuck = this.raiseAt({ ...stuck, windows, lastMs }, end);
  }

  private abnormal(start: number, score: number, value: number): void {
    const end = start + this.shape.windowMs;
    this.modelWorks(end);
    const { anomaly } = this.open;
    if (anomaly) {
      this.open.anomaly = this.raiseAt(withWindow(anomaly, start, end, score, value, this.stretch.batchId), end);
      return;
    }
    const kept = this.pending && start - this.pending.lastMs <= PENDING_GAP_MS ? this.pending : undefined;
    const pending = withWindow(
      kept ?? { ...this.here(start), windows: 0 },
      start,
      end,
      score,
      value,
      this.stretch.batchId,
    );
    this.pending = pending;
    if (!isOver(this.rule.onDelay, pending.windows, end - pending.sinceMs)) return;
    this.pending = undefined;
    this.activate('anomaly', pending, end);
  }

  private inDeadband(end: number): void {
    this.modelWorks(end);
    this.pending = undefined;
    const { anomaly } = this.open;
    if (anomaly) this.open.anomaly = this.raiseAt(withoutOff(anomaly), end);
  }

  private normal(start: number): void {
    const end = start + this.shape.windowMs;
    this.modelWorks(end);
    this.pending = undefined;
    const { anomaly } = this.open;
    if (!anomaly) return;
    const offSinceMs = anomaly.offSinceMs ?? start;
    const offWindows = anomaly.offWindows + 1;
    if (isOver(this.rule.offDelay, offWindows, end - offSinceMs)) this.close('anomaly', anomaly, end);
    else this.open.anomaly = { ...anomaly, offWindows, offSinceMs };
  }

  /** A window was scored: its model works. */
  private modelWorks(end: number): void {
    const { model } = this.open;
    const { failing } = this;
    this.failing = undefined;
    if (model) this.close('model', { ...model, lastMs: Math.max(model.sinceMs, failing?.lastMs ?? model.lastMs) }, end);
  }

  /** Until `toMs` there was no window. */
  private silence(toMs: number): void {
    const { seenMs } = this;
    if (seenMs === undefined) return;
    const { silentMs } = this.rule;
    const badMs = seenMs + BAD_AFTER_WINDOWS * this.shape.hopMs;
    for (const kind of ['anomaly', 'stuck'] as const) {
      const alarm = this.open[kind];
      if (alarm && toMs >= badMs && alarm.quality === 'good')
        this.open[kind] = withStep({ ...alarm, quality: 'bad', cause: 'no_data' }, 'quality', badMs);
    }
    if (silentMs !== undefined && !this.open.silent && toMs - seenMs >= silentMs)
      this.activate('silent', { ...this.here(seenMs), lastMs: seenMs, windows: 0 }, seenMs + silentMs);
    if (this.open.silent) this.open.silent = lapsed(this.open.silent, this.rule, toMs);
    if (this.pending && toMs - this.pending.lastMs > PENDING_GAP_MS) this.pending = undefined;
  }

  private betterQuality(end: number): void {
    for (const kind of ['anomaly', 'stuck'] as const) {
      const alarm = this.open[kind];
      if (alarm?.quality !== 'bad') continue;
      const { cause: _, ...rest } = alarm;
      this.open[kind] = withStep({ ...rest, quality: 'good' }, 'quality', end);
    }
  }

  end(): Folded {
    const { fromMs, toMs, verdict, seen, batchId } = this.stretch;
    const { modelMs } = this.rule;
    if (saysNothing(verdict)) this.takenAsSeen(toMs);
    if (isModelTrouble(verdict)) {
      // Readings were there though nothing was predicted of them.
      if (seen) {
        if (this.open.silent) this.window(fromMs, undefined);
        this.seenMs = Math.max(this.seenMs ?? toMs, toMs);
        for (const kind of ['anomaly', 'stuck'] as const) {
          const alarm = this.open[kind];
          if (alarm && alarm.quality === 'good')
            this.open[kind] = withStep({ ...alarm, quality: 'bad', cause: verdict }, 'quality', fromMs);
        }
      }
      this.failing = this.failing
        ? { ...this.failing, lastMs: toMs, lastBatch: batchId }
        : { ...this.here(fromMs), lastMs: toMs, windows: 0, cause: verdict };
      const { failing } = this;
      if (modelMs !== undefined && !this.open.model && toMs - failing.sinceMs >= modelMs)
        this.activate('model', { ...failing, lastMs: failing.sinceMs }, failing.sinceMs + modelMs);
      if (this.open.model) this.open.model = lapsed(this.open.model, this.rule, toMs);
    }
    this.silence(toMs);
    return { state: this.carried(toMs), raised: this.raised, ended: this.ended };
  }

  /** Nothing, when what is known says no more than that of a sensor at rest. */
  private carried(toMs: number): TrackState | undefined {
    const { seenMs, pending, failing, flat, open } = this;
    const state = { throughMs: toMs, ...defined({ seenMs, pending, failing, flat }), open: defined({ ...open }) };
    return isAtRest(state, this.rule, this.shape) ? undefined : state;
  }

  private here(sinceMs: number) {
    const { batchId } = this.stretch;
    return { sinceMs, lastMs: sinceMs, windows: 0, firstBatch: batchId, lastBatch: batchId };
  }

  private missing(fromMs: number, toMs: number): number {
    return Math.max(0, Math.round((toMs - fromMs) / this.shape.hopMs));
  }

  private activate(kind: AlarmKind, excursion: Excursion, activeMs: number): void {
    const severity = severityAt(this.rule, excursion, activeMs);
    const alarm: OpenAlarm = {
      ...excursion,
      activeMs,
      severity,
      raises: 1,
      raisedMs: activeMs,
      quality: 'good',
      steps: [{ change: 'activated', timeMs: activeMs, severity, quality: 'good' }],
      offWindows: 0,
    };
    this.open[kind] = alarm;
    this.raised.push({ kind, sinceMs: alarm.sinceMs, activeMs });
  }

  private close(kind: AlarmKind, alarm: OpenAlarm, clearedMs: number): void {
    this.ended.push({ kind, facts: { ...factsOf(withStep(alarm, 'cleared', clearedMs)), clearedMs } });
    delete this.open[kind];
  }

  /** At a window: a worse severity, or the re-alarm time is over. */
  private raiseAt(alarm: OpenAlarm, atMs: number): OpenAlarm {
    const severity = severityAt(this.rule, alarm, atMs);
    if (severity > alarm.severity) return raised(alarm, 'escalated', atMs, severity);
    const { reAlarmMs } = this.rule;
    return reAlarmMs !== undefined && reAlarmMs > 0 && atMs - alarm.raisedMs >= reAlarmMs
      ? raised(alarm, 'realarmed', atMs, alarm.severity)
      : alarm;
  }
}

/** The alarms of a state, as facts. */
export function openAlarms(state: TrackState | undefined): FoundAlarm[] {
  return Object.entries(state?.open ?? {}).map(([kind, alarm]) => ({ kind: kind as AlarmKind, facts: factsOf(alarm) }));
}
