/**
 * The times of a schedule and what it started lately, as the server describes them. Read by a raw call, so that nothing
 * of the action is decoded: a worker without its key can still tell the period of a batch.
 */
import { ScheduleNotFoundError, type Client, type ScheduleDescription } from '@temporalio/client';
import type { Calendar, NumberRange, ScheduleSpec, SeenSchedule } from '../domain/schedule-spec.ts';
import { hasStatus, msOf, type ProtoTime } from '../domain/temporal-service.ts';
import type { ScoreBatchRequest } from '../workflows/requests.ts';
import { SCORE_BATCH } from '../workflows/names.ts';

/** Undefined when there is no such schedule (any more). */
export async function seeSchedule(client: Client, scheduleId: string): Promise<SeenSchedule | undefined> {
  const { namespace } = client.options;
  try {
    return seenOf(await client.workflowService.describeSchedule({ namespace, scheduleId }));
  } catch (error) {
    if (hasStatus(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

/** A schedule of batches with what it asks of them. */
export interface BatchSchedule {
  readonly name: string;
  readonly paused: boolean;
  readonly seen: SeenSchedule;
  readonly request: ScoreBatchRequest;
}

/** Names of the schedules that start batches. */
export async function scheduleNames(client: Client): Promise<string[]> {
  const names: string[] = [];
  for await (const { scheduleId, action } of client.schedule.list())
    if (action?.workflowType === SCORE_BATCH) names.push(scheduleId);
  return names;
}

/** All that start batches, whoever made them. */
export async function seeSchedules(client: Client): Promise<BatchSchedule[]> {
  const found: BatchSchedule[] = [];
  for (const name of await scheduleNames(client)) {
    try {
      found.push(batchSchedule(name, await client.schedule.getHandle(name).describe()));
    } catch (error) {
      // It was deleted since it was listed.
      if (!(error instanceof ScheduleNotFoundError)) throw error;
    }
  }
  return found;
}

export function batchSchedule(name: string, { action, raw, state }: ScheduleDescription): BatchSchedule {
  const args = action.type === 'startWorkflow' ? (action.args ?? []) : [];
  return { name, paused: state.paused, seen: seenOf(raw), request: (args[0] ?? {}) as ScoreBatchRequest };
}

/** What of the service's own answer is read. */
interface RawDescription {
  readonly schedule?: {
    readonly spec?: RawSpec | null;
    readonly state?: { readonly paused?: boolean | null } | null;
  } | null;
  readonly info?: {
    readonly recentActions?: readonly { readonly scheduleTime?: ProtoTime }[] | null;
    readonly createTime?: ProtoTime;
    readonly futureActionTimes?: readonly ProtoTime[] | null;
    readonly bufferSize?: unknown;
    readonly missedCatchupWindow?: unknown;
    readonly overlapSkipped?: unknown;
    readonly bufferDropped?: unknown;
  } | null;
}

function seenOf({ schedule, info }: RawDescription): SeenSchedule {
  // One that is paused lets its times pass: there is none that it is still to come to.
  const next = schedule?.state?.paused ? undefined : info?.futureActionTimes?.[0];
  return {
    ...(next ? { nextMs: msOf(next) } : {}),
    spec: specOf(schedule?.spec ?? {}),
    started: (info?.recentActions ?? []).map(({ scheduleTime }) => msOf(scheduleTime)),
    createdMs: msOf(info?.createTime),
    waiting: Number(info?.bufferSize ?? 0),
    missed: Number(info?.missedCatchupWindow ?? 0),
    skipped: Number(info?.overlapSkipped ?? 0) + Number(info?.bufferDropped ?? 0),
  };
}

interface RawSpec {
  readonly structuredCalendar?: readonly RawCalendar[] | null;
  readonly excludeStructuredCalendar?: readonly RawCalendar[] | null;
  readonly interval?: readonly { readonly interval?: ProtoTime; readonly phase?: ProtoTime }[] | null;
  readonly startTime?: ProtoTime;
  readonly endTime?: ProtoTime;
  readonly jitter?: ProtoTime;
  readonly timezoneName?: string | null;
}
type RawRanges = readonly {
  readonly start?: number | null;
  readonly end?: number | null;
  readonly step?: number | null;
}[];
type RawCalendar = { readonly [Field in keyof Calendar]?: RawRanges | null };

function specOf(raw: RawSpec): ScheduleSpec {
  return {
    calendars: (raw.structuredCalendar ?? []).map(calendarOf),
    excluded: (raw.excludeStructuredCalendar ?? []).map(calendarOf),
    intervals: (raw.interval ?? []).map((one) => ({ everyMs: msOf(one.interval), offsetMs: msOf(one.phase) })),
    zone: raw.timezoneName || 'UTC',
    jitterMs: msOf(raw.jitter),
    ...(raw.startTime ? { startMs: msOf(raw.startTime) } : {}),
    ...(raw.endTime ? { endMs: msOf(raw.endTime) } : {}),
  };
}

/** Unset numbers come as 0: an end below the start means the start alone, a step of 0 means 1. */
function calendarOf(raw: RawCalendar): Calendar {
  const ranges = (of: RawRanges | null | undefined, whenEmpty: readonly NumberRange[] = []): readonly NumberRange[] =>
    of && of.length > 0
      ? of.map(({ start, end, step }) => ({ start: start ?? 0, end: Math.max(start ?? 0, end ?? 0), step: step || 1 }))
      : whenEmpty;
  const zero = [{ start: 0, end: 0, step: 1 }];
  return {
    second: ranges(raw.second, zero),
    minute: ranges(raw.minute, zero),
    hour: ranges(raw.hour, zero),
    dayOfMonth: ranges(raw.dayOfMonth),
    month: ranges(raw.month),
    year: ranges(raw.year),
    dayOfWeek: ranges(raw.dayOfWeek),
  };
}
