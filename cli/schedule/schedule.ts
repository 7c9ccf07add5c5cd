/** `fleetscore schedule ...`: Temporal schedules that start batches. `temporal schedule` drives the same ones. */
import { Option, type Command } from 'commander';
import {
  ScheduleNotFoundError,
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  type ScheduleDescription,
  type ScheduleHandle,
} from '@temporalio/client';
import { FleetscoreError } from '../../domain/errors.ts';
import { CONTROL_QUEUE } from '../../domain/queues.ts';
import { formatDuration, isoTime, parseDuration } from '../../domain/time.ts';
import { backfillSchedule, createSchedule, DEFAULT_OVERLAP, SCORE_BATCH } from '../../connect/schedules.ts';
import { parseRequest, type ScoreBatchRequest } from '../../workflows/requests.ts';
import { action, asDuration, fromOption, toOption, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { addRequestOptions, requestOf, type RequestOptions } from '../batch/request-options.ts';
import { facts, table, when } from '../frame/text.ts';

const OVERLAPS = ['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'terminate_other', 'allow_all'];

interface CreateOptions extends RequestOptions {
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

export function registerSchedule(program: Command): void {
  const schedule = program.command('schedule').description('create and drive schedules of batches');

  addRequestOptions(
    schedule
      .command('create')
      .description('create a schedule that scores the fleet again and again')
      .argument('<name>', 'name of the schedule')
      .addOption(
        new Option(
          '--every <duration>',
          'start a batch at every multiple of this time (15m: at :00, :15, :30, :45 UTC)',
        )
          .argParser(asDuration)
          .conflicts('cron'),
      )
      .option('--cron <expression>', "start batches by a cron expression, for example '0 2 * * *'")
      .option('--timezone <name>', 'time zone of the cron expression, for example Europe/Berlin (default: UTC)')
      .option(
        '--period <duration>',
        'what each batch scores: the time before it starts, 15m, 1d, 1mo (default: the value of --every)',
      )
      .addOption(
        new Option('--delay <duration>', 'the period ends this long before the scheduled time').argParser(asDuration),
      )
      .addOption(
        new Option('--overlap <policy>', 'when the batch before still runs')
          .choices(OVERLAPS)
          .default(DEFAULT_OVERLAP.toLowerCase()),
      )
      .addOption(
        new Option('--catchup <duration>', 'missed batches this old are still started after an outage')
          .default('1h')
          .argParser(asDuration),
      )
      .option('--paused', 'create it paused')
      .option('--note <text>', 'a note for people'),
  ).action(action<[string], CreateOptions>(create));

  schedule.command('list').description('list schedules').action(action<[], object>(list));
  named(schedule, 'describe', 'show a schedule').action(
    action<[string], object>((context, _, name) => describe(context, name)),
  );
  named(schedule, 'pause', 'stop starting batches')
    .option('--note <text>', 'why')
    .action(
      action<[string], { note?: string }>((context, o, name) =>
        change(context, name, 'paused', (h) => h.pause(o.note ?? 'paused by fleetscore schedule pause')),
      ),
    );
  named(schedule, 'resume', 'start batches again')
    .option('--note <text>', 'why')
    .action(
      action<[string], { note?: string }>((context, o, name) =>
        change(context, name, 'resumed', (h) => h.unpause(o.note ?? 'resumed by fleetscore schedule resume')),
      ),
    );
  named(schedule, 'trigger', 'start a batch now, for the period that ends now').action(
    action<[string], object>((context, _, name) =>
      change(context, name, 'triggered', (h) => h.trigger(ScheduleOverlapPolicy.ALLOW_ALL)),
    ),
  );
  named(
    schedule,
    'backfill',
    'start the batches that the schedule would have started after --from, up to and including --to',
  )
    .addOption(fromOption('start of the time to cover').makeOptionMandatory())
    .addOption(toOption('end of the time to cover').makeOptionMandatory())
    .addOption(
      new Option('--overlap <policy>', 'one after the other, or all at once').choices(OVERLAPS).default('buffer_all'),
    )
    .action(action<[string], { from: number; to: number; overlap: string }>(backfill));
  named(schedule, 'delete', 'delete a schedule; its batches stay').action(
    action<[string], object>((context, _, name) => change(context, name, 'deleted', (h) => h.delete())),
  );
}

function named(schedule: Command, verb: string, description: string): Command {
  return schedule.command(verb).description(description).argument('<name>', 'name of the schedule');
}

async function create(context: Context, options: CreateOptions, name: string): Promise<Output> {
  if ((options.every === undefined) === (options.cron === undefined))
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      "give either --every (for example --every 15m) or --cron (for example --cron '0 2 * * *').",
    );
  if (options.cron !== undefined && options.period === undefined)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      '--cron needs --period: how much each batch scores, for example --period 1d.',
    );
  if (options.timezone !== undefined && options.cron === undefined)
    throw new FleetscoreError('INVALID_ARGUMENT', '--timezone goes with --cron; --every counts in UTC.');
  const request: ScoreBatchRequest = {
    ...requestOf(options),
    period: options.period ?? options.every!,
    ...(options.delay === undefined ? {} : { delay: options.delay }),
  };
  parseRequest(request, Date.now()); // the same check as in the workflow, before anything is created
  try {
    await createSchedule(await context.client(), name, {
      request,
      catchupWindowMs: parseDuration(options.catchup),
      overlap: policyOf(options.overlap),
      paused: options.paused ?? false,
      note: options.note,
      ...(options.every === undefined
        ? { cron: options.cron!, timezone: options.timezone ?? 'UTC' }
        : { everyMs: parseDuration(options.every) }),
    });
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning)
      throw new FleetscoreError(
        'SCHEDULE_EXISTS',
        `there is a schedule ${JSON.stringify(name)} already. Choose another name, or delete it with \`fleetscore schedule delete ${name}\`.`,
      );
    throw error;
  }
  const shown = await describe(context, name);
  return { ...shown, text: `Schedule ${name} created.\n${shown.text}` };
}

async function list(context: Context): Promise<Output> {
  const client = await context.client();
  const rows = [];
  for await (const entry of client.schedule.list())
    if (entry.action?.workflowType === SCORE_BATCH) {
      rows.push({
        name: entry.scheduleId,
        paused: entry.state.paused,
        note: entry.state.note ?? '',
        next: entry.info.nextActionTimes[0]?.toISOString() ?? null,
      });
    }
  return {
    data: rows,
    text: table(
      [{ title: 'Name', whole: true }, { title: 'State' }, { title: 'Next batch (UTC)' }, { title: 'Note' }],
      rows.map((row) => [
        row.name,
        row.paused ? 'paused' : 'active',
        row.next === null ? '-' : when(Date.parse(row.next)),
        row.note,
      ]),
      'No schedules. Create one: fleetscore schedule create NAME --every 15m',
    ),
  };
}

async function describe(context: Context, name: string): Promise<Output> {
  const description = await withSchedule(context, name, (handle) => handle.describe());
  const data = describeData(name, description);
  return {
    data,
    text: facts([
      ['Schedule', data.name],
      ['State', data.paused ? 'paused' : 'active'],
      ['Starts', data.spec.join('; ')],
      ['Request', JSON.stringify(data.request)],
      ['Overlap', data.overlap],
      ['Catch-up', data.catchup],
      [
        'Next (UTC)',
        data.next
          .slice(0, 3)
          .map((time) => when(Date.parse(time)))
          .join(', '),
      ],
      [
        'Recent',
        data.recent
          .slice(-5)
          .map((run) => run.workflowId)
          .join(', '),
      ],
      ['Running', data.running.join(', ')],
      ['Note', data.note],
    ]),
  };
}

function describeData(name: string, d: ScheduleDescription) {
  const every = (d.spec.intervals ?? []).map((interval) => `every ${formatDuration(interval.every)}`);
  const calendars = (d.spec.calendars ?? []).map((calendar) => calendar.comment ?? JSON.stringify(calendar));
  const args = d.action.type === 'startWorkflow' ? (d.action.args ?? []) : [];
  return {
    name,
    paused: d.state.paused,
    note: d.state.note ?? '',
    spec: [...every, ...calendars, ...(d.spec.timezone && d.spec.timezone !== 'UTC' ? [d.spec.timezone] : [])],
    request: (args[0] ?? {}) as ScoreBatchRequest,
    taskQueue: d.action.type === 'startWorkflow' ? d.action.taskQueue : CONTROL_QUEUE,
    overlap: (d.policies.overlap ?? 'unspecified').toLowerCase(),
    catchup: formatDuration(d.policies.catchupWindow),
    next: d.info.nextActionTimes.map((time) => time.toISOString()),
    recent: d.info.recentActions.map((recent) => ({
      workflowId: recent.action.type === 'startWorkflow' ? recent.action.workflow.workflowId : '',
      scheduledAt: recent.scheduledAt.toISOString(),
    })),
    running: d.info.runningActions.map((running) =>
      running.type === 'startWorkflow' ? running.workflow.workflowId : '',
    ),
  };
}

async function change(
  context: Context,
  name: string,
  done: string,
  verb: (handle: ScheduleHandle) => Promise<void>,
): Promise<Output> {
  await withSchedule(context, name, verb);
  return { data: { name, [done]: true }, text: `Schedule ${name} ${done}.` };
}

async function backfill(
  context: Context,
  options: { from: number; to: number; overlap: string },
  name: string,
): Promise<Output> {
  if (options.to <= options.from)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `--to (${isoTime(options.to)}) must be later than --from (${isoTime(options.from)}).`,
    );
  const period = { fromMs: options.from, toMs: options.to };
  await withSchedule(context, name, async () =>
    backfillSchedule(await context.client(), name, period, policyOf(options.overlap)),
  );
  const span = `${when(options.from)} to ${when(options.to)} UTC`;
  return {
    data: { name, from: isoTime(options.from), to: isoTime(options.to) },
    text: `Backfill of ${name} from ${span} started. See \`fleetscore batch list\`.`,
  };
}

async function withSchedule<T>(
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
        `there is no schedule ${JSON.stringify(name)}. \`fleetscore schedule list\` shows those there are.`,
      );
    throw error;
  }
}

function policyOf(text: string): ScheduleOverlapPolicy {
  return text.toUpperCase() as ScheduleOverlapPolicy;
}
