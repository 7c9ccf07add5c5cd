/** A schedule as people read it: when it starts batches, what each scores, and what it left out. */
import {
  ScheduleNotFoundError,
  type ScheduleDescription,
  type ScheduleHandle,
  type ScheduleOverlapPolicy,
} from '@temporalio/client';
import { countMissed, findGaps, type ScheduleGap } from '../../batches/schedule-gaps.ts';
import { batchSchedule, scheduleNames, type BatchSchedule } from '../../connect/schedule-times.ts';
import { closest, didYouMean } from '../../domain/closest.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { SINCE_LAST } from '../../domain/period-length.ts';
import { CONTROL_QUEUE } from '../../domain/queues.ts';
import type { SeenSchedule } from '../../domain/schedule-spec.ts';
import { startsText } from '../../domain/schedule-text.ts';
import { formatDuration, isoTime } from '../../domain/time.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { DEFAULT_PERIOD } from '../../workflows/policies.ts';
import type { ScoreBatchRequest } from '../../workflows/requests.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { facts, when } from '../frame/text.ts';
import { changesIn, specWarnings } from './checks.ts';

export interface Described extends BatchSchedule {
  readonly description: ScheduleDescription;
}

export async function look(context: Context, name: string): Promise<Described> {
  const description = await withSchedule(context, name, (handle) => handle.describe());
  return { ...batchSchedule(name, description), description };
}

/** Periods of a schedule that no batch scored: since `sinceMs`, or of a week; at most since it is there. */
export async function gapsOf(
  context: Context,
  schedule: BatchSchedule,
  sinceMs?: number,
): Promise<readonly ScheduleGap[]> {
  const question = { nowMs: Date.now(), sinceMs, keepBatchesMs: context.config.keep.batchesMs };
  return (await findGaps(await context.store(), [schedule], question)).get(schedule.name)!;
}

export async function describe(context: Context, name: string, { gaps = true } = {}): Promise<Output> {
  const seen = await look(context, name);
  const missed = gaps ? await gapsOf(context, seen) : [];
  const data = { ...describeData(name, seen), notScored: countMissed(missed), gaps: missed.map(gapData) };
  const times = (of: readonly string[]): string => of.map((time) => when(Date.parse(time))).join(', ');
  const text = facts([
    ['Schedule', data.name],
    ['State', data.paused ? 'paused' : 'active'],
    ['Starts', [...data.spec, ...(data.jitter === null ? [] : [`up to ${data.jitter} later (jitter)`])].join('; ')],
    ['Scores', data.scores],
    ['Request', JSON.stringify(data.request)],
    ['Overlap', data.overlap],
    ['Catch-up', data.catchup],
    [
      'Next (UTC)',
      data.paused
        ? `none while it is paused: fleetscore schedule resume ${shellWord(name)}`
        : times(data.next.slice(0, 3)),
    ],
    [
      'Recent',
      data.recent
        .slice(-5)
        .map((run) => run.workflowId)
        .join(', '),
    ],
    ['Running', data.running.join(', ')],
    ['Waiting', data.waiting === 0 ? undefined : `${data.waiting} for the batch before`],
    ['Left out', leftOutText(data)],
    ['Not scored', gaps ? gapsText(name, missed) : undefined],
    ['Note', data.note],
  ]);
  return { data, text: gaps ? withWarnings(text, data.warnings) : text };
}

function describeData(name: string, { description: d, seen, request }: Described) {
  const { spec } = seen;
  const warnings = specWarnings(spec, { ...request, period: request.period ?? DEFAULT_PERIOD }, Date.now());
  return {
    name,
    paused: d.state.paused,
    note: d.state.note ?? '',
    spec: [...startsText(spec), ...(spec.zone === 'UTC' ? [] : [spec.zone])],
    zone: spec.zone,
    jitter: spec.jitterMs === 0 ? null : formatDuration(spec.jitterMs),
    scores: scoresText(seen, request),
    request,
    taskQueue: d.action.type === 'startWorkflow' ? d.action.taskQueue : CONTROL_QUEUE,
    overlap: (d.policies.overlap ?? 'unspecified').toLowerCase(),
    catchup: formatDuration(d.policies.catchupWindow),
    // As in `schedule list`: those of a paused schedule do not come.
    next: d.state.paused ? [] : d.info.nextActionTimes.map((time) => time.toISOString()),
    recent: d.info.recentActions.map((recent) => ({
      workflowId: recent.action.type === 'startWorkflow' ? recent.action.workflow.workflowId : '',
      scheduledAt: recent.scheduledAt.toISOString(),
    })),
    running: d.info.runningActions.map((running) =>
      running.type === 'startWorkflow' ? running.workflow.workflowId : '',
    ),
    waiting: seen.waiting,
    /** Starts since it was created: past the catch-up, and by the overlap policy. */
    missed: seen.missed,
    skipped: seen.skipped,
    warnings,
  };
}

function scoresText({ spec }: SeenSchedule, { period = DEFAULT_PERIOD, delay }: ScoreBatchRequest): string {
  const before = delay === undefined ? 'its time' : `${delay} before its time`;
  const length = period === SINCE_LAST ? `from the time before up to ${before}` : `${period} up to ${before}`;
  return changesIn(spec, Date.now()) ? `${length}; longer or shorter where clocks change` : length;
}

function leftOutText({ missed, skipped }: { readonly missed: number; readonly skipped: number }): string | undefined {
  const parts = [
    ...(missed === 0 ? [] : [`${missed} starts were missed for longer than the catch-up`]),
    ...(skipped === 0 ? [] : [`${skipped} by the overlap policy`]),
  ];
  return parts.length === 0 ? undefined : `${parts.join(', ')} (since it was created)`;
}

/** What is missing, in a line or two, with the command that scores it. */
export function gapsText(name: string, gaps: readonly ScheduleGap[]): string | undefined {
  const open = gaps.filter(({ state }) => state !== 'running');
  const first = open[0];
  if (!first) return undefined;
  const count = countMissed(open);
  const span = `${when(first.fromMs)} to ${when(open.at(-1)!.toMs)} UTC`;
  const command =
    open.length === 1
      ? remedyOf(name, first)
      : `fleetscore gaps --schedule ${shellWord(name)} --since ${isoTime(first.backfill.fromMs)}`;
  return `${count} ${count === 1 ? 'period' : 'periods'} of the last days, ${span}: ${command}`;
}

/** The command that scores the periods of a gap. */
export function remedyOf(name: string, { state, batches, backfill }: ScheduleGap): string {
  if (state === 'running') return '';
  if (batches.length === 1) return `fleetscore batch redrive ${batches[0]}`;
  return `fleetscore schedule backfill ${shellWord(name)} --from ${isoTime(backfill.fromMs)} --to ${isoTime(backfill.toMs)}`;
}

export const gapData = (gap: ScheduleGap) => ({
  from: isoTime(gap.fromMs),
  to: isoTime(gap.toMs),
  state: gap.state,
  periods: gap.periods,
  batches: gap.batches,
});

export const withWarnings = (text: string, warnings: readonly string[]): string =>
  [text.trimEnd(), ...warnings.map((warning) => `Warning: ${warning}`)].join('\n');

/** @throws FleetscoreError `SCHEDULE_UNKNOWN` */
export async function withSchedule<T>(
  context: Context,
  name: string,
  work: (handle: ScheduleHandle) => Promise<T>,
): Promise<T> {
  try {
    return await work((await context.client()).schedule.getHandle(name));
  } catch (error) {
    if (error instanceof ScheduleNotFoundError)
      throw new FleetscoreError(
        'SCHEDULE_UNKNOWN',
        `there is no schedule ${JSON.stringify(name)}.` +
          `${didYouMean(closest(name, await scheduleNames(await context.client())))} ` +
          '`fleetscore schedule list` shows those there are.',
      );
    throw error;
  }
}

export const policyOf = (text: string): ScheduleOverlapPolicy => text.toUpperCase() as ScheduleOverlapPolicy;
