/**
 * Readings that come while no batch is for them: the schedule is paused, deleted, or starts nothing. No batch can tell
 * of that, so a control worker looks beside its work. Whoever of several looks first decides: alarms are written by
 * compare-and-set, under an id that follows from the sensor and the end of its last batch.
 */
import { NO_MARKS, type Alarm, type AlarmFacts, type AlarmRecord } from '../domain/alarm.ts';
import { factsOf, withStep, type OpenAlarm } from '../alarms/excursion.ts';
import { lapsed, severityAt } from '../alarms/lapse.ts';
import { alarmId } from '../alarms/reconcile.ts';
import { ruleFor, type AlarmRule, type AlarmRules } from '../alarms/rules.ts';
import { defined } from '../domain/defined.ts';
import type { Sensor } from '../domain/sensor.ts';
import { hasEnded, type Batch, type ChangedAlarm, type Store } from '../storage/store.ts';
import { rulesOf } from './decide-alarms.ts';
import { groupAlarms, recordOf } from './group-alarms.ts';
import { tellOf, type RaiseDeps } from './raise-alarms.ts';

/** Newest batches that are looked at. */
const BATCHES = 200;
/** Sensors that are looked at in one round, and alarms that are open at one time: enough to know, few to read. */
const SENSORS = 2_000;
const MOST_OPEN = 1_000;
/** So many of the intervals at which its batches came are no delay but an end. */
const INTERVALS = 3;

/** How far batches have come. */
export interface Coverage {
  /** The batch whose period ends last: a batch is for every sensor there is when it is planned. */
  readonly last: Batch;
  /** When the newest one ended, by the clock; absent while one runs. */
  readonly quietSinceMs?: number;
  /** The usual time between the ends of two periods of its schedule, ms; 0 when there is none. */
  readonly intervalMs: number;
}

/** Undefined as long as nothing was ever scored: a plant is being set up. Pure. */
export function coverageOf(batches: readonly Batch[]): Coverage | undefined {
  const planned = batches.filter(({ kind, planned: sensors }) => kind === 'score' && sensors > 0);
  const last = planned.reduce<Batch | undefined>(
    (one, batch) => (one && one.toMs >= batch.toMs ? one : batch),
    undefined,
  );
  if (!last) return undefined;
  const running = batches.some((batch) => batch.kind === 'score' && !hasEnded(batch));
  const quietSinceMs = running ? undefined : Math.max(...planned.map(({ finishedAtMs = 0 }) => finishedAtMs));
  const ends = [
    ...new Set(
      planned.filter(({ schedule }) => schedule !== undefined && schedule === last.schedule).map(({ toMs }) => toMs),
    ),
  ];
  const gaps = ends.toSorted((a, b) => b - a).flatMap((end, i, all) => (i === 0 ? [] : [all[i - 1]! - end]));
  const intervalMs = gaps.slice(0, 10).toSorted((a, b) => a - b)[Math.min(gaps.length, 10) >> 1] ?? 0;
  return { last, intervalMs, ...defined({ quietSinceMs }) };
}

/** How long readings wait for a batch before that is an alarm; undefined: for ever. */
const patienceOf = ({ enabled, unplannedMs }: AlarmRule, { intervalMs }: Coverage): number | undefined =>
  enabled && unplannedMs !== undefined ? Math.max(unplannedMs, INTERVALS * intervalMs) : undefined;

export interface UnplannedWatch {
  /** One round. Returns how many alarms it raised or changed, and ended. */
  look(): Promise<{ readonly raised: number; readonly cleared: number }>;
}

const NOTHING = { raised: 0, cleared: 0 } as const;

export function watchUnplanned(deps: RaiseDeps): UnplannedWatch {
  /** Where the next round goes on. */
  let after = 0;
  return {
    async look() {
      const { store, windows } = deps;
      if (!windows) return NOTHING;
      const nowMs = deps.now();
      const epoch = await store.alarmEpoch();
      const coverage = coverageOf(await store.listBatches({ limit: BATCHES }));
      if (!coverage) return NOTHING;
      const rules = rulesOf(await store.alarmRules());
      const open = await store.listAlarms({ active: true, kind: 'unplanned' }, nowMs);
      const over = open.flatMap((alarm) => endedBy(alarm, coverage));
      const { quietSinceMs = Infinity } = coverage;
      const quietMs = nowMs - quietSinceMs;
      const known = new Set(open.map(({ sensorId }) => sensorId));
      const fresh: ChangedAlarm[] = [];
      if (over.length === 0 && quietMs > 0 && open.length < MOST_OPEN) {
        const sensors = await store.listSensors({ after, limit: SENSORS });
        const retired = new Set((await store.retiredSensors({ after, limit: SENSORS })).map(({ id }) => id));
        after = sensors.length < SENSORS ? 0 : sensors.at(-1)!.id;
        for (const sensor of sensors.filter(({ id }) => !known.has(id) && !retired.has(id))) {
          if (open.length + fresh.length >= MOST_OPEN) break;
          const rule = ruleFor(rules, sensor, coverage.last.release);
          const patienceMs = patienceOf(rule, coverage);
          if (patienceMs === undefined || quietMs < patienceMs) continue;
          const newestMs = await waitingTo(store, sensor.id, coverage, patienceMs, nowMs, windows.windowMs);
          if (newestMs !== undefined) fresh.push(begun(sensor, rule, coverage, patienceMs, newestMs));
        }
      }
      const worse = over.length > 0 ? [] : open.flatMap((alarm) => worsened(alarm, rules, coverage, nowMs));
      const alarms = [...over, ...fresh, ...worse];
      // Somebody else changed alarms meanwhile: the next round looks again.
      if (alarms.length === 0 || !(await store.commitAlarms({ epoch, alarms, receivedMs: nowMs }))) return NOTHING;
      const fromMs = Math.min(...alarms.map(({ record }) => record.facts.sinceMs));
      await groupAlarms(store, { fromMs, toMs: nowMs });
      await tellOf(deps, { batches: [coverage.last.id], fromMs, toMs: nowMs });
      return { raised: fresh.length + worse.length, cleared: over.length };
    },
  };
}

/** End of the newest window of a sensor whose readings have waited for so long; undefined when they have not. */
async function waitingTo(
  store: Pick<Store, 'lastWindowBefore'>,
  sensorId: number,
  { last }: Coverage,
  patienceMs: number,
  nowMs: number,
  windowMs: number,
): Promise<number | undefined> {
  const newest = await store.lastWindowBefore(sensorId, nowMs);
  if (newest === undefined || newest - last.toMs < patienceMs) return undefined;
  // Readings of all that time, and not of a moment after a long stop.
  const early = await store.lastWindowBefore(sensorId, newest - patienceMs + 1);
  return early === undefined || early < last.toMs ? undefined : newest + windowMs;
}

function begun(
  { id: sensorId }: Sensor,
  rule: AlarmRule,
  { last }: Coverage,
  patienceMs: number,
  lastMs: number,
): ChangedAlarm {
  const sinceMs = last.toMs;
  const activeMs = sinceMs + patienceMs;
  const severity = severityAt(rule, { sinceMs }, activeMs);
  const open: OpenAlarm = {
    sinceMs,
    activeMs,
    lastMs: sinceMs,
    windows: 0,
    severity,
    raises: 1,
    raisedMs: activeMs,
    offWindows: 0,
    quality: 'good',
    steps: [{ change: 'activated', timeMs: activeMs, severity, quality: 'good' }],
    firstBatch: last.id,
    lastBatch: last.id,
  };
  const id = alarmId(sensorId, { kind: 'unplanned', sinceMs });
  const facts: AlarmFacts = { ...factsOf(lapsed(open, rule, lastMs)), activations: 1 };
  const flags = {
    ...(rule.confirm ? { confirm: true as const } : {}),
    ...(rule.latch ? { latch: true as const } : {}),
  };
  const record: AlarmRecord = {
    id,
    sensorId,
    kind: 'unplanned',
    facts,
    marks: NO_MARKS,
    incident: id,
    version: 0,
    ...flags,
  };
  return changed(record, facts.steps, last.id);
}

/** A batch is for it again. */
function endedBy(alarm: Alarm, { last }: Coverage): ChangedAlarm[] {
  const record = recordOf(alarm, alarm.incident);
  const { facts } = record;
  if (last.toMs <= facts.sinceMs) return [];
  const clearedMs = Math.max(last.toMs, facts.activeMs);
  const { steps } = withStep({ ...facts, raisedMs: 0, offWindows: 0 }, 'cleared', clearedMs);
  const over = { ...facts, lastMs: last.toMs, clearedMs, steps, lastBatch: last.id };
  return [changed({ ...record, facts: over }, steps.slice(facts.steps.length), last.id)];
}

/** It asks for attention again, or became more severe. */
function worsened(alarm: Alarm, rules: AlarmRules, { last }: Coverage, nowMs: number): ChangedAlarm[] {
  const rule = ruleFor(rules, alarm, last.release);
  const record = recordOf(alarm, alarm.incident);
  const { facts } = record;
  const raisedMs = facts.steps.findLast(({ change }) => change !== 'quality')?.timeMs ?? facts.activeMs;
  const next = lapsed({ ...facts, raisedMs, offWindows: 0 }, rule, nowMs);
  const steps = next.steps.slice(facts.steps.length);
  if (!rule.enabled || steps.length === 0) return [];
  return [changed({ ...record, facts: { ...factsOf(next), activations: facts.activations } }, steps, last.id)];
}

function changed(record: AlarmRecord, steps: AlarmFacts['steps'], batchId: string): ChangedAlarm {
  return {
    record: { ...record, version: record.version + steps.length },
    changes: steps.map(({ change, timeMs }) => ({ change, timeMs, batchId })),
  };
}
