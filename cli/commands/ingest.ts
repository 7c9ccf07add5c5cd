/** The commands about readings: their names, options and examples. */
import { Option, type Command } from 'commander';
import { FAILURE_KINDS } from '../../samples/simulate-failures.ts';
import { MAX_SIMULATED, MAX_WINDOWS } from '../../samples/simulate-limits.ts';
import { does } from '../frame/command.ts';
import { asDuration, asInterval, asTime, asWhole, fromOption, SENSOR, toOption } from '../frame/options.ts';

export function registerSensors(program: Command): void {
  const sensors = program.command('sensors').description('the sensors of the fleet');
  sensors
    .command('list')
    .description('list sensors with the readings that are stored of them')
    .option('--device <device>', 'only those of a device')
    .option('--retired', 'only those out of service: since when, by whom, and what came last')
    .option('--count', 'count all windows that are stored, which reads them; without it, those of the last 24 hours')
    .addOption(new Option('--limit <n>', 'how many at the most').default(1_000).argParser(asWhole(1, 1_000_000)))
    .action(does(() => import('../ingest/sensors.ts'), 'list'));
  changing(sensors, 'retire', 'take sensors out of service: batches leave them out, and no alarm of them is shown')
    .option('--comment <text>', 'why')
    .action(does(() => import('../ingest/retire.ts'), 'retire'));
  changing(sensors, 'restore', 'take sensors back into service').action(
    does(() => import('../ingest/retire.ts'), 'restore'),
  );
}

const changing = (sensors: Command, verb: string, description: string): Command =>
  sensors
    .command(verb)
    .description(description)
    .argument('<device/sensor...>', `${SENSOR}; or a pattern with * and ?, in quotes`)
    .option('--dry-run', 'say which ones, and change nothing');

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
        .argParser(asInterval),
    )
    .action(does(() => import('../ingest/ingest.ts'), 'status'));
  ingest
    .command('rebuild')
    .description(
      'windows of a period again from raw capture, of the ingest worker or of Event Hubs Capture; with the settings of ingest (FLEETSCORE_*) that are set here',
    )
    .addOption(fromOption().makeOptionMandatory())
    .addOption(toOption().makeOptionMandatory())
    .option('--names <format>', 'how Event Hubs Capture names its files, where that is not its default')
    .option('--other-rules', 'read events by the FLEETSCORE_MAPPING set here, though the ingest workers have another')
    .action(does(() => import('../ingest/rebuild.ts'), 'rebuild'));
  registerTry(ingest);
  registerDeadLetters(ingest);
}

function registerTry(ingest: Command): void {
  ingest
    .command('try')
    .description(
      'show what the events of a file would become, and why not; nothing is sent or stored. A file is one event, ' +
        'JSON lines, {"event": {"body": ..., "properties": ..., "systemProperties": ...}}, ' +
        'a dead letter, or a capture file',
    )
    .argument('<file>', 'the file; - is standard input')
    .option('--mapping <name>', 'a ready-made mapping, a JSON file, or JSON (default: FLEETSCORE_MAPPING)')
    .addOption(new Option('--enqueued <time>', 'when events came that do not say it (default: now)').argParser(asTime))
    .addOption(
      new Option('--limit <n>', 'how many readings and problems are shown at the most')
        .default(100)
        .argParser(asWhole(1, 1_000_000)),
    )
    .action(does(() => import('../ingest/try.ts'), 'tryFile'));
}

function registerDeadLetters(ingest: Command): void {
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
