/** The commands about readings: their names, options and examples. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { TIME_UNITS } from '../../domain/time.ts';
import type { Column, Layout } from '../../ingest/csv/rows.ts';
import { FAILURE_KINDS } from '../../samples/simulate-failures.ts';
import { MAX_SIMULATED, MAX_WINDOWS } from '../../samples/simulate-limits.ts';
import { does } from '../frame/command.ts';
import { asDuration, asNumber, asWhole, fromOption, SENSOR, toOption } from '../frame/options.ts';

export function registerSend(program: Command): void {
  program
    .command('send')
    .description('send readings from CSV (TS,Device,Sensor,Value, or a column for each sensor) through Event Hubs')
    .argument(
      '<file...>',
      'CSV files, also with gzip, merged by time; - is standard input; times without a zone are UTC',
    )
    .addOption(
      new Option(
        '--columns <names>',
        'which columns they are, where they have other names: ts=timestamp,device=unit,sensor=tag,value=reading',
      ).argParser(asColumns),
    )
    .option('--wide', 'a column for each sensor: all columns but those of the time and the device')
    .option('--device <name>', 'the device of all rows, where no column names it')
    .option('--encoding <name>', 'how the file is encoded, such as windows-1252 or utf-16le (default: utf-8)')
    .addOption(
      new Option('--separator <char>', "what stands between fields: ';', tab, '|' (default: a comma)").argParser(
        asSeparator,
      ),
    )
    .addOption(new Option('--decimal <char>', 'what stands before decimals (default: a point)').choices(['.', ',']))
    .addOption(
      new Option(
        '--time-unit <unit>',
        'what times that are numbers count since 1970 (default: ten digits are seconds, thirteen milliseconds)',
      ).choices(TIME_UNITS),
    )
    .addOption(new Option('--rate <n>', 'readings a second (default: full speed)').argParser(asNumber(0.001, 1e9)))
    .option('--wait', 'wait until all is ingested, and tell what became of it; fails when a reading was not taken')
    .addOption(
      new Option('--wait-timeout <duration>', 'give up when ingestion stands still for this long')
        .default('60s')
        .argParser(asDuration),
    )
    .action(does(() => import('../ingest/send.ts'), 'send'));
}

export function registerSensors(program: Command): void {
  program
    .command('sensors')
    .description('the sensors of the fleet')
    .command('list')
    .description('list sensors with the readings that are stored of them')
    .option('--device <device>', 'only those of a device')
    .option('--count', 'count all windows that are stored, which reads them; without it, those of the last 24 hours')
    .addOption(new Option('--limit <n>', 'how many at the most').default(1_000).argParser(asWhole(1, 1_000_000)))
    .action(does(() => import('../ingest/sensors.ts'), 'list'));
}

export function registerReadings(program: Command): void {
  program
    .command('readings')
    .description('show the readings of one sensor by the time they were measured, and the events they came in')
    .argument('<device/sensor>', SENSOR)
    .argument('[time]', 'a time: the window that holds it; or --from and --to')
    .argument('[more]', 'device, sensor and time may be three arguments')
    .usage('[options] <device/sensor> [time]')
    .addOption(fromOption('from this time'))
    .addOption(toOption('to this time, not included'))
    .addOption(new Option('--limit <n>', 'the first so many').default(200).argParser(asWhole(1, 1_000_000)))
    .action(does(() => import('../ingest/readings.ts'), 'show'));
}

export function registerIngest(program: Command): void {
  const ingest = program.command('ingest').description('follow and mend the ingestion of readings');
  ingest
    .command('status')
    .description('how far each partition is read, its lag and watermark, and what was late or dead')
    .addOption(
      new Option('--rate-over <duration>', 'watch this long for the rate of readings')
        .default('1s')
        .argParser(asDuration),
    )
    .action(does(() => import('../ingest/ingest.ts'), 'status'));
  ingest
    .command('rebuild')
    .description(
      'windows of a period again from raw capture, of the ingest worker or of Event Hubs Capture; with the settings of ingest (FLEETSCORE_*) that are set here',
    )
    .addOption(fromOption().makeOptionMandatory())
    .addOption(toOption().makeOptionMandatory())
    .action(does(() => import('../ingest/ingest.ts'), 'rebuild'));
  registerDeadLetters(ingest);
}

export function registerDeadLetters(ingest: Command): void {
  ingest
    .command('deadletters')
    .description('list events with readings that could not be taken, or send them again')
    .option('--replay', 'send them again, and forget those that were sent; what is still wrong comes back')
    .option(
      '--prefix <name>',
      'only those whose name begins so: NAMESPACE/HUB/PARTITION or less (default: those of the hub)',
    )
    .addOption(
      new Option('--limit <n>', 'how many are listed at the most')
        .default(1_000)
        .argParser(asWhole(1, 1_000_000))
        .conflicts('replay'),
    )
    .action(does(() => import('../ingest/dead-letters.ts'), 'deadLetters'));
}

export function registerSimulate(program: Command): void {
  program
    .command('simulate')
    .description(
      'put a synthetic fleet (sensors, models, windows) straight into the store and Blob, and make its release current',
    )
    .addOption(
      new Option('--sensors <n>', 'how many sensors').argParser(asWhole(1, MAX_SIMULATED)).makeOptionMandatory(),
    )
    .addOption(new Option('--windows <n>', 'windows of each sensor').default(15).argParser(asWhole(1, MAX_WINDOWS)))
    .addOption(fromOption('start of the first window (default: so that the last one ends now)'))
    .addOption(
      new Option(
        '--interval <duration>',
        'between the starts of two windows (default: the aggregation interval)',
      ).argParser(asDuration),
    )
    .option(
      '--failures <list>',
      `sensors out of order: KIND=COUNT or KIND=SHARE%, comma between; kinds: ${FAILURE_KINDS.join(', ')}`,
    )
    .addOption(
      new Option('--model-files <which>', 'also store the ONNX file of every single model; auto: up to 1,000 sensors')
        .choices(['auto', 'all', 'none'])
        .default('auto'),
    )
    .action(does(() => import('../ingest/simulate.ts'), 'simulate'));
}

/** One character, or the word tab. */
function asSeparator(text: string): string {
  const separator = /^(tab|\\t)$/i.test(text) ? '\t' : text;
  if ([...separator].length === 1 && !/["\r\n\w]/.test(separator)) return separator;
  throw new InvalidArgumentError("It takes one character such as ';', or tab.");
}

/** `ts=timestamp,device=unit` */
function asColumns(text: string): NonNullable<Layout['columns']> {
  const pairs = text.split(',').map((pair) => {
    const [, column = '', name = ''] = /^\s*(ts|device|sensor|value)=(.+?)\s*$/i.exec(pair) ?? [];
    if (name === '')
      throw new InvalidArgumentError('It takes ts=NAME, device=NAME, sensor=NAME and value=NAME, separated by commas.');
    return [column.toLowerCase() as Column, name] as const;
  });
  return Object.fromEntries(pairs);
}
