/**
 * The request of a batch: plain JSON, every field optional, so that `temporal schedule create --input '{}'`
 * works. Pure functions turn it into a period and an id; a wrong field fails the workflow, with its name.
 */
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { monthsBefore, parseLength } from '../domain/period-length.ts';
import { parseSensorName } from '../domain/sensor.ts';
import { isoTime, parseDurationOrZero, parseTime, type Period } from '../domain/time.ts';
import { DEFAULT_PERIOD, DEFAULT_TOLERATED_FAILURE_PERCENTAGE, DEFAULT_WAIT_FOR_READINGS } from './policies.ts';

export interface ScoreBatchRequest {
  /** Scoring period [from, to), ISO 8601, UTC when no zone is given. Both or neither. */
  readonly from?: string;
  readonly to?: string;
  /**
   * Length of the period that ends at the scheduled time: `15m`, `1h`, `1d`, calendar months `1mo`, or `schedule`:
   * since the time before of the schedule. Days and months are those of the zone of the schedule, UTC where it has
   * none.
   */
  readonly period?: string;
  /** How long after the end of its period a batch is scheduled: the period ends at scheduled time - delay. */
  readonly delay?: string;
  /** Release to score with; the current one when absent. */
  readonly release?: string;
  /** Score again only the failed and cancelled sensors of this batch; from and to must be its period. */
  readonly redrive?: string;
  /**
   * With `redrive`: score these sensors again instead, whatever became of them; `DEVICE/SENSOR`, both may be
   * percent-encoded.
   */
  readonly sensors?: readonly string[];
  /** Score again only sensors whose windows changed since they were scored for exactly this period. */
  readonly rescore?: boolean;
  /** Sensors per child workflow and per scoring activity; chosen from the size of the fleet when absent. */
  readonly sensorsPerChild?: number;
  readonly sensorsPerActivity?: number;
  /** Past either the batch fails, after everything is recorded. Skipped sensors do not count. */
  readonly toleratedFailurePercentage?: number;
  readonly toleratedFailureCount?: number;
  /** Skipped sensors (no readings, or no model), in percent, past which the batch fails; no limit when absent. */
  readonly toleratedSkippedPercentage?: number;
  /** Longest wait for late readings after the end of the period; `0s` for none. */
  readonly waitForReadings?: string;
  /**
   * When it has ended, the batch starts batches that score again the sensors whose readings came late for earlier
   * periods, at most this long ago. `0s` for none; default for batches of a schedule: `1d`, for others: none.
   */
  readonly rescoreLate?: string;
}

export interface ParsedRequest extends Period {
  readonly release?: string;
  readonly redrive?: string;
  readonly sensors?: readonly string[];
  readonly rescore?: boolean;
  /** Absent: the default of how it was started. */
  readonly rescoreLateMs?: number;
  readonly sensorsPerChild?: number;
  readonly sensorsPerActivity?: number;
  readonly toleratedFailurePercentage: number;
  readonly toleratedFailureCount?: number;
  readonly toleratedSkippedPercentage?: number;
  /** Readings are waited for until then, epoch ms. */
  readonly waitUntilMs: number;
}

const FIELDS: ReadonlySet<string> = new Set([
  'from',
  'to',
  'period',
  'delay',
  'release',
  'redrive',
  'sensors',
  'rescore',
  'rescoreLate',
  'sensorsPerChild',
  'sensorsPerActivity',
  'toleratedFailurePercentage',
  'toleratedFailureCount',
  'toleratedSkippedPercentage',
  'waitForReadings',
]);

/**
 * @param scheduledMs time of the schedule that started the workflow, or its start time
 * @throws FleetscoreError `INVALID_REQUEST`, `INVALID_TIME`, `INVALID_DURATION`
 */
export function parseRequest(request: ScoreBatchRequest, scheduledMs: number): ParsedRequest {
  requireKnownFields(request);
  const period = resolvePeriod(request, scheduledMs);
  if (period.toMs <= period.fromMs)
    throw invalid(`the period ends (${isoTime(period.toMs)}) before it starts (${isoTime(period.fromMs)})`);
  const tolerated = toleratedOf(request);
  const wait = text(request.waitForReadings, 'waitForReadings') ?? DEFAULT_WAIT_FOR_READINGS;
  const waitMs = parseDurationOrZero(wait, 'waitForReadings');
  const late = text(request.rescoreLate, 'rescoreLate');
  const sensors = names(request.sensors);
  const sensorsPerChild = atLeast(request.sensorsPerChild, 'sensorsPerChild', 1);
  const sensorsPerActivity = atLeast(request.sensorsPerActivity, 'sensorsPerActivity', 1);
  const toleratedFailureCount = atLeast(request.toleratedFailureCount, 'toleratedFailureCount', 0);
  const release = text(request.release, 'release');
  const redrive = text(request.redrive, 'redrive');
  requireOneKind(request, redrive, sensors);
  return {
    ...period,
    ...tolerated,
    waitUntilMs: period.toMs + waitMs,
    ...defined({
      release,
      redrive,
      sensors,
      rescore: request.rescore ? true : undefined,
      rescoreLateMs: late === undefined ? undefined : parseDurationOrZero(late, 'rescoreLate'),
      sensorsPerChild,
      sensorsPerActivity,
      toleratedFailureCount,
    }),
  };
}

function requireKnownFields(request: ScoreBatchRequest): void {
  if (request === null || typeof request !== 'object' || Array.isArray(request))
    throw invalid(`the request must be a JSON object such as {"period":"15m"}, got ${JSON.stringify(request)}`);
  for (const name of Object.keys(request))
    if (!FIELDS.has(name))
      throw invalid(`the request has the unknown field ${JSON.stringify(name)}. Known: ${[...FIELDS].join(', ')}`);
}

function toleratedOf(
  request: ScoreBatchRequest,
): Pick<ParsedRequest, 'toleratedFailurePercentage' | 'toleratedSkippedPercentage'> {
  const failed = percent(request.toleratedFailurePercentage, 'toleratedFailurePercentage');
  const skipped = percent(request.toleratedSkippedPercentage, 'toleratedSkippedPercentage');
  return {
    toleratedFailurePercentage: failed ?? DEFAULT_TOLERATED_FAILURE_PERCENTAGE,
    ...defined({ toleratedSkippedPercentage: skipped }),
  };
}

/** A batch scores a period, or again a part of an earlier batch. */
function requireOneKind(
  { rescore, from }: ScoreBatchRequest,
  redrive: string | undefined,
  sensors: readonly string[] | undefined,
): void {
  if (typeof (rescore ?? false) !== 'boolean')
    throw invalid(`rescore must be true or false, got ${JSON.stringify(rescore)}`);
  if (redrive !== undefined && rescore) throw invalid('give either redrive or rescore, not both');
  if (redrive !== undefined && from === undefined) throw invalid('redrive needs from and to: the period of the batch');
  if (sensors !== undefined && redrive === undefined)
    throw invalid('sensors go with redrive: the batch whose sensors are scored again');
}

/** Most names that one batch is given: they are stored in the history of the workflow. */
const MOST_NAMES = 500;

function names(value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST_NAMES)
    throw invalid(`sensors must be a list of 1 to ${MOST_NAMES} names such as ["pump-1/vibration"]`);
  for (const name of value) parseSensorName(typeof name === 'string' ? name : String(name));
  return value as readonly string[];
}

function resolvePeriod(request: ScoreBatchRequest, scheduledMs: number): Period {
  const from = text(request.from, 'from');
  const to = text(request.to, 'to');
  if (from !== undefined && to !== undefined) {
    if (request.period !== undefined || request.delay !== undefined)
      throw invalid('give either from and to, or period and delay, not both');
    return { fromMs: parseTime(from, 'from'), toMs: parseTime(to, 'to') };
  }
  if (from !== undefined || to !== undefined) throw invalid('from and to go together: give both, or neither');
  const length = text(request.period, 'period') ?? DEFAULT_PERIOD;
  const delay = text(request.delay, 'delay');
  const delayMs = delay === undefined ? 0 : parseDurationOrZero(delay, 'delay');
  // Whole seconds: a start by hand has milliseconds that mean nothing.
  const toMs = Math.floor((scheduledMs - delayMs) / 1000) * 1000;
  const wanted = parseLength(length);
  // The calendar of the schedule says more: activity `schedulePeriod`.
  const measured = wanted.kind === 'since-last' ? parseLength(DEFAULT_PERIOD) : wanted;
  if (measured.kind === 'months') return { fromMs: monthsBefore(toMs, measured.months), toMs };
  return { fromMs: toMs - (measured.kind === 'time' ? measured.ms : 0), toMs };
}

function invalid(message: string): FleetscoreError {
  return new FleetscoreError('INVALID_REQUEST', `${message}.`);
}

function text(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value === '') throw invalid(`${name} must be a text, got ${JSON.stringify(value)}`);
  return value;
}

function percent(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (!(typeof value === 'number' && value >= 0 && value <= 100))
    throw invalid(`${name} must be a number from 0 to 100, got ${JSON.stringify(value)}`);
  return value;
}

function atLeast(value: unknown, name: string, min: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Number.isInteger(value) || (value as number) < min)
    throw invalid(`${name} must be a whole number of at least ${min}, got ${JSON.stringify(value)}`);
  return value as number;
}
