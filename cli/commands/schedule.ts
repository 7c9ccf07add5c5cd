/** The commands about schedules: their names, options and examples. */
import { Option, type Command } from 'commander';
import { DEFAULT_OVERLAP, OVERLAPS } from '../../domain/overlap.ts';
import { does } from '../frame/command.ts';
import { asDuration, fromOption, toOption } from '../frame/options.ts';
import { addRequestOptions } from './request-options.ts';

export function registerSchedule(program: Command): void {
  const schedule = program.command('schedule').description('create and drive schedules of batches');

  settings(named(schedule, 'create', 'create a schedule that scores the fleet again and again'), CREATED)
    .option('--paused', 'create it paused')
    .action(does(() => import('../schedule/create.ts'), 'create'));
  settings(named(schedule, 'update', 'change what is named of a schedule, and keep the rest'), {}).action(
    does(() => import('../schedule/update.ts'), 'update'),
  );
  schedule
    .command('list')
    .description('list schedules')
    .action(does(() => import('../schedule/schedule.ts'), 'list'));
  named(schedule, 'describe', 'show a schedule').action(does(() => import('../schedule/schedule.ts'), 'show'));
  named(schedule, 'pause', 'stop starting batches')
    .option('--note <text>', 'why')
    .action(does(() => import('../schedule/schedule.ts'), 'pause'));
  named(schedule, 'resume', 'start batches again')
    .option('--note <text>', 'why')
    .action(does(() => import('../schedule/schedule.ts'), 'resume'));
  named(schedule, 'trigger', 'start a batch now, for the period that ends now').action(
    does(() => import('../schedule/schedule.ts'), 'trigger'),
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
    .action(does(() => import('../schedule/schedule.ts'), 'backfill'));
  named(schedule, 'delete', 'delete a schedule; its batches stay').action(
    does(() => import('../schedule/schedule.ts'), 'remove'),
  );
}

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
        'what each batch scores: so much time before it starts, 15m, 1d, 1mo, or `schedule`: since the time ' +
          'before (default: the value of --every; with --cron: schedule)',
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
  return schedule.command(verb).description(description).argument('<schedule>', 'name of the schedule');
}

const CREATED = { overlap: DEFAULT_OVERLAP.toLowerCase(), catchup: '1h' };

export function registerGaps(program: Command): void {
  program
    .command('gaps')
    .description('periods of schedules that no batch scored, and how to score them; exit code 1 when there are any')
    .option('--schedule <schedule>', 'only this schedule (default: all)')
    .option(
      '--since <time>',
      'look at times after this one, ISO 8601, or so long ago: 30d (default: 7d, or since it was created)',
    )
    .action(does(() => import('../schedule/gaps.ts'), 'gaps'));
}
