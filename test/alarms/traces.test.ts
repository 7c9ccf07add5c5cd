/**
 * The machine beside the sequences of a real alarm server: results of what operators do, whether the alarm is active,
 * how many excursions wait for an acknowledgement, shelving, quality, comments. Where a sequence is marked as differing
 * from OPC 10000-9 the standard's value is expected. What we decided otherwise is listed here and in docs/alarms.md.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { actOn, eventIdOf } from '../../alarms/act.ts';
import type { Stretch } from '../../alarms/evidence.ts';
import { fold, openAlarms } from '../../alarms/fold.ts';
import type { TrackState } from '../../alarms/track.ts';
import { flagsOf } from '../../alarms/flags.ts';
import { reconcile } from '../../alarms/reconcile.ts';
import { DEFAULT_RULE, type AlarmRule } from '../../alarms/rules.ts';
import type { AlarmAction, AlarmRecord, AlarmShelf } from '../../domain/alarm.ts';
import type { Trace, TraceStep } from './traces.ts';

/** Beside the repository, where it is there at all. */
const FILE = fileURLToPath(new URL('../../../shared/reference/alarms/traces.json', import.meta.url));
const HOP = 300;
const SHAPE = { hopMs: HOP, windowMs: HOP };

/** Where our alarms are other than the sequences by a decision of ours; docs/alarms.md has the reasons. */
const ANY_EVENT = 'any event of an alarm names it: a comment or a return to normal does not spoil the button';
const ONE_LESS = 'the standard has one excursion less by now: the steps before are marked so';
const BETTER = 'a severity is that of the peak: getting better, or as bad as before, asks for nothing';
const DECIDED: Readonly<Record<string, string>> = {
  'return-to-normal-not-acknowledged/4': ANY_EVENT,
  'return-to-normal-not-acknowledged/5': ANY_EVENT,
  'return-to-normal-not-acknowledged-with-confirmation/3':
    'what is acknowledged and not confirmed waits for that alone',
  'return-to-normal-not-acknowledged-with-confirmation/4':
    'what is acknowledged and not confirmed waits for that alone',
  'two-excursions-not-acknowledged/6': 'the newest alarm is the second excursion, and nobody acknowledged it',
  'two-excursions-not-acknowledged/7': 'so it is acknowledged already',
  'two-excursions-not-acknowledged/8': 'so it is acknowledged already',
  'escalation-and-back/5': BETTER,
  'escalation-and-back/6': BETTER,
  'escalation-and-back/7': BETTER,
  'escalation-and-back/8': BETTER,
  'escalation-and-back/9': BETTER,
  'escalation-not-acknowledged/3': ANY_EVENT,
  'escalation-not-acknowledged/4': ANY_EVENT,
  'escalation-not-acknowledged/5': BETTER,
  'event-ids-and-comments/5': ANY_EVENT,
  'event-ids-and-comments/6': ANY_EVENT,
  'bad-quality-while-active/3': 'a window that cannot be scored ends nothing; the step before is marked so',
  'bad-quality-while-active/4': ONE_LESS,
  'bad-quality-while-active/5': ONE_LESS,
  'deadband/4': ONE_LESS,
  'deadband/5': ONE_LESS,
  'on-delay-and-off-delay/6': ONE_LESS,
  'on-delay-and-off-delay/7': ONE_LESS,
  'on-delay-and-off-delay/8': ONE_LESS,
  're-alarm-and-latch/4': 'a re-alarm asks for attention again, and so for an acknowledgement',
  're-alarm-and-latch/5': 'a re-alarm asks for attention again, and so for an acknowledgement',
  're-alarm-and-latch/6': 'a re-alarm asks for attention again, and so for an acknowledgement',
  'shelved-for-a-time/1': 'shelving goes through an alarm: before the first one there is nothing to name',
  'shelved-for-a-time/2': 'shelving goes through an alarm: before the first one there is nothing to name',
  'shelved-for-a-time/3': 'shelving goes through an alarm: before the first one there is nothing to name',
  'shelved-for-a-time/5': 'so it is shelved here for the first time',
};

/** One alarm as an operator has it before them. */
class Desk {
  records: AlarmRecord[] = [];
  shelf: AlarmShelf | undefined;
  /** Our event for each of the sequence's. */
  readonly ids = new Map<string, string>();
  private state: TrackState | undefined;
  private at = 0;
  private value: number | undefined;
  private rule: AlarmRule;
  private readonly trace: Trace;

  constructor(trace: Trace) {
    this.trace = trace;
    const { silentMs: _, modelMs: __, ...base } = DEFAULT_RULE;
    this.rule = {
      ...base,
      onDelay: { windows: 1 },
      offDelay: { windows: 1 },
      confirm: trace.optionalParts?.includes('Confirm') ?? false,
      latch: trace.optionalParts?.includes('LatchedState') ?? false,
      severity: [
        { severity: 500, afterMs: 0 },
        { severity: 800, afterMs: 0, score: -10.0001 },
      ],
    };
  }

  get nowMs(): number {
    return this.at * HOP;
  }

  /** A value, as one window; the score is how far it is inside the limits. */
  put(value: number, quality = 'Good'): void {
    const { high = Infinity, low = -Infinity } = this.trace.limits ?? {};
    if (quality === 'Good') this.value = value;
    const score = Math.min(high - value, value - low);
    const start = this.nowMs;
    const bad = quality !== 'Good';
    const item =
      score < 0
        ? ([1, start, score, value] as const)
        : score < this.rule.deadband
          ? ([2, start, score, value] as const)
          : ([0, start, 1, HOP] as const);
    this.at += 1;
    this.take({
      fromMs: start,
      toMs: this.nowMs,
      batchId: 'b',
      verdict: bad ? 'not_finite' : 'scored',
      seen: true,
      items: bad ? [] : [item],
    });
  }

  wait(ms: number): void {
    for (let left = ms; left > 0; left -= HOP) if (this.value !== undefined) this.put(this.value);
  }

  configure({ highDeadband, onDelay, offDelay, reAlarmTime }: Readonly<Record<string, number>>): void {
    if (highDeadband !== undefined) this.rule = { ...this.rule, deadband: highDeadband };
    if (onDelay !== undefined) this.rule = { ...this.rule, onDelay: { ms: onDelay } };
    if (offDelay !== undefined) this.rule = { ...this.rule, offDelay: { ms: offDelay } };
    if (reAlarmTime !== undefined) this.rule = { ...this.rule, reAlarmMs: reAlarmTime };
  }

  private take(stretch: Stretch): void {
    const before = openAlarms(this.state).map(({ kind, facts }) => ({ kind, sinceMs: facts.sinceMs }));
    const folded = fold(this.state, stretch, this.rule, SHAPE);
    this.state = folded.state;
    const changed = reconcile({
      sensorId: 1,
      stored: this.records,
      found: [...folded.ended, ...openAlarms(folded.state)],
      replaced: before,
      rule: this.rule,
      late: false,
      batchId: 'b',
      toMs: stretch.toMs,
    });
    for (const { record } of changed) this.records = [...this.records.filter(({ id }) => id !== record.id), record];
    this.settleShelf();
  }

  /** The store does not keep a one-shot shelf past its alarm: the flags say so. */
  private settleShelf(): void {
    const newest = this.newest();
    if (newest && this.shelf && flagsOf(newest, this.shelf, this.nowMs).shelving === 'unshelved')
      this.shelf = undefined;
  }

  newest(): AlarmRecord | undefined {
    return this.records.toSorted((a, b) => a.facts.sinceMs - b.facts.sinceMs).at(-1);
  }

  waiting(): number {
    return this.records.filter((record) => !flagsOf(record, this.shelf, this.nowMs).acked).length;
  }

  /** The standard's word for what came of it. */
  act(operator: NonNullable<TraceStep['operator']>): string {
    const id = this.idOf(operator.eventId);
    const record = this.records.find((one) => id !== undefined && id.startsWith(`${one.id}.`));
    if (id === undefined || !record) return 'BadEventIdUnknown';
    const base = { id, user: 'operator', atMs: this.nowMs, ...(operator.comment ? { comment: operator.comment } : {}) };
    const actions: Readonly<Record<string, AlarmAction>> = {
      acknowledge: { do: 'ack', ...base },
      confirm: { do: 'confirm', ...base },
      'add comment': { do: 'comment', ...base },
      reset: { do: 'reset', ...base },
      unshelve: { do: 'unshelve', ...base },
      'shelve one shot': { do: 'shelveOnce', ...base },
      'shelve timed': { do: 'shelve', untilMs: this.nowMs + (operator.milliseconds ?? 0), ...base },
    };
    const result = actOn(record, this.shelf, actions[operator.action]!);
    if (!result.ok) return `Bad${result.refusal}`;
    this.records = [...this.records.filter((one) => one.id !== record.id), result.record];
    this.shelf = result.shelf;
    return 'Good';
  }

  private idOf(eventId: string | undefined): string | undefined {
    if (eventId === 'none') return undefined;
    if (eventId !== undefined && this.ids.has(eventId)) return this.ids.get(eventId);
    const newest = this.newest();
    return newest && eventIdOf(newest.id, newest.version);
  }

  /** The newest event that we have is ours for what the sequence calls by these names. */
  note(events: TraceStep['events']): void {
    for (const { eventId, branch } of events ?? []) {
      if (eventId === undefined || this.ids.has(eventId)) continue;
      const sorted = this.records.toSorted((a, b) => a.facts.sinceMs - b.facts.sinceMs);
      const open = sorted.filter((record) => !flagsOf(record, this.shelf, this.nowMs).acked);
      const record = branch ? open.at(-1) : sorted.at(-1);
      if (record) this.ids.set(eventId, eventIdOf(record.id, record.version));
    }
  }
}

const expectedResult = ({ result, specDifference }: TraceStep): string | undefined => {
  const spec = specDifference?.find(({ field }) => field === 'result')?.spec;
  return typeof spec === 'string' && spec.startsWith('Bad_')
    ? spec.split(',')[0]!.replace('_', '')
    : spec === undefined
      ? result
      : undefined;
};

/** Differences of one step, in words. */
function differences(desk: Desk, step: TraceStep, result: string | undefined): string[] {
  const said: string[] = [];
  const state = step.stateAfter ?? {};
  const wanted = expectedResult(step);
  if (result !== undefined && wanted !== undefined && result !== wanted) said.push(`result ${result}, not ${wanted}`);
  const newest = desk.newest();
  const flags = newest && flagsOf(newest, desk.shelf, desk.nowMs);
  const marked = new Set((step.specDifference ?? []).flatMap(({ field }) => field.split(', ')));
  if (typeof state.active === 'boolean' && !marked.has('active')) {
    const active = flags?.active ?? false;
    if (active !== state.active) said.push(`active ${active}, not ${String(state.active)}`);
  }
  if (newest && typeof state.acked === 'boolean' && typeof state.openBranches === 'number') {
    const theirs = Number(!state.acked) + state.openBranches;
    if (desk.waiting() !== theirs) said.push(`${desk.waiting()} wait for an acknowledgement, not ${theirs}`);
  }
  return said;
}

/** Sequences about what our alarms do not have: limits that are moved, setpoints, disabling, discrete states. */
const OTHERS = /disable|limit-moved|setpoint|off-normal|non-exclusive|spec-example|late-and-out/;

const traces: readonly Trace[] = existsSync(FILE)
  ? (JSON.parse(readFileSync(FILE, 'utf8')) as { traces: Trace[] }).traces
  : [];
const ours = traces.filter(({ name }) => !OTHERS.test(name));

(ours.length > 0
  ? test.each(ours)
  : test.skip.each([{ name: 'sequences (not run: the reference data are not here)' } as Trace]))('$name', (trace) => {
  const desk = new Desk(trace);
  const found: string[] = [];
  for (const step of trace.steps) {
    if (step.configure) desk.configure(step.configure);
    if (step.input?.value !== undefined) desk.put(step.input.value, step.input.quality);
    if (step.wait !== undefined) desk.wait(step.wait);
    const { operator } = step;
    const result = operator && operator.action !== 'refresh' ? desk.act(operator) : undefined;
    desk.note(step.events);
    const key = `${trace.name}/${step.step}`;
    const said = differences(desk, step, result);
    if (said.length > 0) found.push(DECIDED[key] === undefined ? `${key}: ${said.join('; ')}` : key);
  }
  expect(found).toEqual(Object.keys(DECIDED).filter((key) => key.startsWith(`${trace.name}/`)));
});
