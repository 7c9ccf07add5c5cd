/** `fleetscore schedule create`: everything that can be known is checked first, and said. */
import { ScheduleAlreadyRunning } from '@temporalio/client';
import { createSchedule, type ScheduleTimes } from '../../connect/schedules.ts';
import { seeSchedule } from '../../connect/schedule-times.ts';
import { defined } from '../../domain/defined.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { SINCE_LAST } from '../../domain/period-length.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { parseDuration } from '../../domain/time.ts';
import { parseRequest, type ScoreBatchRequest } from '../../workflows/requests.ts';
import { requestOf, type RequestOptions } from '../batch/request-options.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { checkCron, checkScheduleName, creating, everyMsOf, fires, fleetWarnings, specWarnings } from './checks.ts';
import { describe, policyOf, withWarnings } from './describe.ts';

export interface CreateOptions extends RequestOptions {
  readonly every?: string;
  readonly cron?: string;
  readonly timezone?: string;
  readonly period?: string;
  readonly delay?: string;
  readonly overlap: string;
  readonly catchup: string;
  readonly paused?: boolean;
  readonly note?: string;
}

/** When a schedule starts batches. @throws FleetscoreError `INVALID_ARGUMENT`, `INVALID_DURATION`, `INVALID_ZONE` */
export function timesIn({ every, cron, timezone }: Pick<CreateOptions, 'every' | 'cron' | 'timezone'>): ScheduleTimes {
  if ((every === undefined) === (cron === undefined))
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      "give either --every (for example --every 15m) or --cron (for example --cron '0 2 * * *').",
    );
  if (every !== undefined && timezone !== undefined)
    throw new FleetscoreError('INVALID_ARGUMENT', '--timezone goes with --cron; --every counts in UTC.');
  if (every !== undefined) return { everyMs: everyMsOf(every) };
  checkCron(cron!, timezone);
  return { cron: cron!, ...defined({ timezone }) };
}

export async function create(context: Context, options: CreateOptions, name: string): Promise<Output> {
  checkScheduleName(name);
  const times = timesIn(options);
  // Without a period a cron schedule scores from the time before.
  const period = options.period ?? options.every ?? SINCE_LAST;
  const request: ScoreBatchRequest = { ...requestOf(options), period, ...defined({ delay: options.delay }) };
  parseRequest(request, Date.now()); // the same check as in the workflow, before anything is created
  const fleet = await fleetWarnings(() => context.store(), options.release);
  const client = await context.client();
  const what =
    options.every === undefined
      ? 'the cron expression ' +
        `${JSON.stringify(options.cron)}${options.timezone === undefined ? '' : ` in ${options.timezone}`}`
      : `--every ${options.every}`;
  try {
    await creating(`${what} for schedule ${JSON.stringify(name)}`, () =>
      createSchedule(client, name, {
        request,
        catchupWindowMs: parseDuration(options.catchup),
        overlap: policyOf(options.overlap),
        paused: options.paused ?? false,
        note: options.note,
        ...times,
      }),
    );
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning)
      throw new FleetscoreError(
        'SCHEDULE_EXISTS',
        `there is a schedule ${JSON.stringify(name)} already. Choose another name, or delete it with ` +
          `\`fleetscore schedule delete ${shellWord(name)}\`.`,
      );
    throw error;
  }
  const seen = await seeSchedule(client, name);
  if (seen && !fires(seen.spec, Date.now())) {
    await client.schedule.getHandle(name).delete();
    throw new FleetscoreError('INVALID_ARGUMENT', `${what} never comes: there is no such day. Nothing was created.`);
  }
  const warnings = [...fleet, ...(seen ? specWarnings(seen.spec, { ...request, period }, Date.now()) : [])];
  const shown = await describe(context, name, { gaps: false }).catch((error: unknown) => {
    throw new FleetscoreError(
      'SCHEDULE_UNREAD',
      `schedule ${name} was created, and cannot be shown: ${messageOf(error)}.`,
    );
  });
  const data = { ...(shown.data as object), warnings };
  return { data, text: withWarnings(`Schedule ${name} created.\n${shown.text}`, warnings) };
}
