/** `fleetscore schedule ...`: Temporal schedules that start batches. `temporal schedule` drives the same ones. */
import { Option, type Command } from 'commander';
import { ScheduleOverlapPolicy, type ScheduleHandle } from '@temporalio/client';
import { countMissed } from '../../batches/schedule-gaps.ts';
import { backfillSchedule, DEFAULT_OVERLAP, SCORE_BATCH } from '../../connect/schedules.ts';
import { isoTime } from '../../domain/time.ts';
import { addRequestOptions } from '../batch/request-options.ts';
import { action, asDuration, fromOption, toOption, type Output } from '../frame/command.ts';
import { periodOf } from '../frame/period.ts';
import type { Context } from '../frame/context.ts';
import { lastPaint, lastWord, table, when } from '../frame/text.ts';
import { create, type CreateOptions } from './create.ts';
import { update, type UpdateOptions } from './update.ts';
import { describe, gapsOf, gapsText, look, policyOf, withSchedule } from './describe.ts';
import type { Batch } from '../../storage/store.ts';

const OVERLAPS = ['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'terminate_other', 'allow_all'];

export function registerSchedule(program: Command): void {
  const schedule = program.command('schedule').description('create and drive schedules of batches');

  settings(named(schedule, 'create', 'create a schedule that scores the fleet again and again'), CREATED)
    .option('--paused', 'create it paused')
    .action(action<[string], CreateOptions>(create));
  settings(named(schedule, 'update', 'change what is named of a schedule, and keep the rest'), {}).action(
    action<[string], UpdateOptions>(update),
  );
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
      action<[string], { note?: string }>(async (context, o, name) => {
        const gaps = await gapsOf(context, await look(context, name)); // before it starts batches again
        const done = await change(context, name, 'resumed', (h) =>
          h.unpause(o.note ?? 'resumed by fleetscore schedule resume'),
        );
        const left = gapsText(name, gaps);
        return {
          data: { ...(done.data as object), notScored: countMissed(gaps) },
          text: left === undefined ? done.text : `${done.text}\nNot scored: ${left}`,
        };
      }),
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

/** Of a schedule that is made; one that is changed keeps its own. */
const CREATED = { overlap: DEFAULT_OVERLAP.toLowerCase(), catchup: '1h' };

/** When batches start and what they are asked for: options of `create` and `update`. */
function settings(command: Command, defaults: { readonly overlap?: string; readonly catchup?: string }): Command {
  return addRequestOptions(
    command
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
        'what each batch scores: so much time before it starts, 15m, 1d, 1mo, or `schedule`: since the time before (default: the value of --every; with --cron: schedule)',
      )
      .addOption(
        new Option('--delay <duration>', 'the period ends this long before the scheduled time').argParser(asDuration),
      )
      .addOption(
        new Option('--overlap <policy>', 'when the batch before still runs')
          .choices(OVERLAPS)
          .default(defaults.overlap),
      )
      .addOption(
        new Option('--catchup <duration>', 'missed batches this old are still started after an outage')
          .default(defaults.catchup)
          .argParser(asDuration),
      )
      .option('--note <text>', 'a note for people'),
  );
}

function named(schedule: Command, verb: string, description: string): Command {
  return schedule.command(verb).description(description).argument('<name>', 'name of the schedule');
}

async function list(context: Context): Promise<Output> {
  const client = await context.client();
  const rows = [];
  // The store comes after Temporal has answered: whose trouble it is, is told by what was asked first.
  for await (const entry of client.schedule.list())
    if (entry.action?.workflowType === SCORE_BATCH) {
      const store = await context.store();
      rows.push({
        name: entry.scheduleId,
        paused: entry.state.paused,
        note: entry.state.note ?? '',
        next: entry.info.nextActionTimes[0]?.toISOString() ?? null,
        last: lastOf((await store.listBatches({ schedule: entry.scheduleId, limit: 1 }))[0]),
      });
    }
  return {
    data: rows,
    text: table(
      [
        { title: 'Name', whole: true },
        { title: 'State' },
        { title: 'Next batch (UTC)' },
        { title: 'Last batch', paint: lastPaint },
        { title: 'Note' },
      ],
      rows.map((row) => [
        row.name,
        row.paused ? 'paused' : 'active',
        row.next === null ? '-' : when(Date.parse(row.next)),
        row.last === null ? '-' : row.last.text,
        row.note,
      ]),
      'No schedules. Create one: fleetscore schedule create NAME --every 15m',
    ),
  };
}

/** The newest batch of a schedule. */
const lastOf = (batch: Batch | undefined) =>
  batch
    ? {
        batch: batch.id,
        status: batch.status,
        class: batch.class ?? null,
        message: batch.message ?? null,
        text: lastWord(batch),
      }
    : null;

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
  const period = periodOf(options);
  await withSchedule(context, name, async () =>
    backfillSchedule(await context.client(), name, period, policyOf(options.overlap)),
  );
  const span = `${when(options.from)} to ${when(options.to)} UTC`;
  return {
    data: { name, from: isoTime(options.from), to: isoTime(options.to) },
    text: `Backfill of ${name} from ${span} started. See \`fleetscore batch list\`.`,
  };
}
