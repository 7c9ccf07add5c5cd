/** The commands about alarms: their names, options and examples. */
import { Argument, Option, type Command } from 'commander';
import { ALARM_KINDS } from '../../domain/alarm.ts';
import { does } from '../frame/command.ts';
import { asDuration, asInterval, asWhole, fromOption, toOption } from '../frame/options.ts';

export function registerAlarms(program: Command): void {
  const alarms = program.command('alarms').description('what is wrong, since when, and what was done about it');

  alarms
    .command('list')
    .description('list alarms that are active, latched or not acknowledged; the newest first')
    .option('--all', 'also those that are over and acknowledged')
    .option('--device <device>', 'only of this device')
    .addOption(new Option('--kind <kind>', 'only of this kind').choices(ALARM_KINDS))
    .addOption(new Option('--severity <n>', 'only from this severity on').argParser(asWhole(1, 1000)))
    .addOption(new Option('--limit <n>', 'at most this many').argParser(asWhole(1)).default(100))
    .option('--shelved', 'also those that are shelved')
    .option('--watch', 'show it again and again, until Ctrl-C')
    .addOption(new Option('--every <duration>', 'with --watch: how often').argParser(asInterval).default('5s'))
    .action(does(() => import('../alarms/list.ts'), 'list'));
  named(alarms, 'show', 'show an alarm, with what belongs to it').action(
    does(() => import('../alarms/show.ts'), 'show'),
  );
  named(alarms, 'history', 'show every event of an alarm').action(does(() => import('../alarms/show.ts'), 'history'));

  said(named(alarms, 'ack', 'acknowledge an alarm: somebody has seen it')).action(act('ack'));
  said(named(alarms, 'confirm', 'confirm that what an acknowledged alarm was about is mended')).action(act('confirm'));
  named(alarms, 'comment', 'comment an alarm')
    .argument('<text>', 'the comment')
    .action(does(() => import('../alarms/act.ts'), 'comment'));
  said(named(alarms, 'shelve', 'leave an alarm of this sensor out of screens and notifications for a time'))
    .addOption(
      new Option('--for <duration>', 'how long, at most 30d; without it: until this alarm is over').argParser(
        asDuration,
      ),
    )
    .action(act('shelve'));
  said(named(alarms, 'unshelve', 'take an alarm off the shelf')).action(act('unshelve'));
  said(named(alarms, 'reset', 'reset a latched alarm that is over and acknowledged')).action(act('reset'));

  alarms
    .command('check')
    .description('say what is wrong with a file of rules, or what its rules come to')
    .argument('<file>', 'JSON; docs/alarms.md says what rules are')
    .action(does(() => import('../alarms/rules.ts'), 'check'));
  alarms
    .command('use')
    .description('have batches go by the rules of a file from now on')
    .argument('<file>', 'JSON; docs/alarms.md says what rules are')
    .action(does(() => import('../alarms/rules.ts'), 'use'));
  alarms
    .command('rules')
    .description('print the rules that batches go by')
    .action(does(() => import('../alarms/rules.ts'), 'rules'));
  alarms
    .command('test')
    .description('send a message that says that it is a test, as this process is set up')
    .addArgument(new Argument('<way>', 'how it goes').choices(['webhook', 'email', 'events']))
    .option('--to <address...>', 'addresses of mail (default: those of the rules)')
    .action(does(() => import('../alarms/test-way.ts'), 'testWay'));
  alarms
    .command('try')
    .description('count the alarms that rules would have given of predictions there are, beside the rules of today')
    .argument('[file]', 'rules to try (default: the defaults)')
    .addOption(fromOption().makeOptionMandatory())
    .addOption(toOption().makeOptionMandatory())
    .option('--device <device>', 'only of this device')
    .action(does(() => import('../alarms/try.ts'), 'tryRules'));
}

const act = (what: 'ack' | 'confirm' | 'shelve' | 'unshelve' | 'reset'): ((...all: unknown[]) => Promise<void>) =>
  does(() => import('../alarms/act.ts'), what);

const named = (alarms: Command, verb: string, description: string): Command =>
  alarms.command(verb).description(description).argument('<alarm>', 'id of the alarm, or of one of its events');

const said = (command: Command): Command => command.option('--comment <text>', 'what to say with it');
