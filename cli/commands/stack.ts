/** The commands about what runs, and how it is set up: their names, options and examples. */
import { Argument, Option, type Command } from 'commander';
import { DEFAULT_HUB } from '../../local/event-hubs/default-hub.ts';
import { LOOPBACK } from '../../domain/loopback.ts';
import { LEVELS } from '../../logging/levels.ts';
import { does } from '../frame/command.ts';
import { asDuration, asInterval, asTime, asWhole } from '../frame/options.ts';

export function registerDemo(program: Command): void {
  addStackOptions(
    program
      .command('demo')
      .description('the main job on a sample plant: stack, readings, schedule, batches, report; stays until Ctrl-C'),
  )
    .option('--once', 'end when the job is done')
    .action(does(() => import('../stack/demo.ts'), 'demo'));
}

export function registerUp(program: Command): void {
  addStackOptions(
    program.command('up').description('start the laptop stack and its workers on loopback, and stay until Ctrl-C'),
  )
    .option('--detach', 'return when all is ready; `fleetscore down` stops it')
    .action(does(() => import('../stack/stack.ts'), 'up'));
}

export function registerUi(program: Command): void {
  program
    .command('ui')
    .description('show the plant in a browser: what is wrong now, devices over time, batches; until Ctrl-C')
    .addOption(new Option('--port <n>', '0: any free one (default: FLEETSCORE_APP_PORT)').argParser(asWhole(0, 65_535)))
    .addOption(
      new Option('--host <address>', 'address to listen on; beyond loopback it asks for FLEETSCORE_APP_TOKEN').default(
        LOOPBACK,
      ),
    )
    .option('--name <host...>', 'names that people open it by, besides the address')
    .option('--tls-cert <file>', 'certificate in PEM: serve https')
    .option('--tls-key <file>', 'its key')
    .option('--plain-http', 'serve http beyond loopback: only behind a proxy that speaks https')
    .action(does(() => import('../stack/ui.ts'), 'serve'));
}

export function registerDown(program: Command): void {
  program
    .command('down')
    .description('stop the laptop stack of this folder; its data stay')
    .action(does(() => import('../stack/stack.ts'), 'down'));
}

export function registerStatus(program: Command): void {
  program
    .command('status')
    .description(
      'schedules, running batches with rate and time left, pool, ingest lag, last failures and batches; exit code 1 when a part does not answer',
    )
    .option('--watch', 'again and again until Ctrl-C: redrawn in place on a terminal, page after page elsewhere')
    .addOption(new Option('--every <duration>', 'between two looks of --watch').default('2s').argParser(asInterval))
    .addOption(new Option('--for <duration>', 'end --watch after this time').argParser(asDuration))
    .action(does(() => import('../status/status.ts'), 'status'));
}

export function registerLogs(program: Command): void {
  program
    .command('logs')
    .description('lines of the workers from Blob: those of a batch, a sensor or a worker, in order of time')
    .option('--batch <batch>', 'only lines about this batch')
    .addOption(new Option('--sensor <device/sensor...>', 'only lines about this sensor, and of chunks that hold it'))
    .option('--worker <name>', 'only workers whose name holds this text, for example scoring')
    .option(
      '--since <time>',
      'a time, or how long ago: 30m, 2d (default: 1h; 24h with --sensor; all of the batch with --batch)',
    )
    .addOption(new Option('--to <time>', 'end of the time').argParser(asTime))
    .addOption(new Option('--level <level>', 'this level and above').choices(Object.keys(LEVELS)))
    .addOption(new Option('--limit <n>', 'the newest lines, at most').default(1_000).argParser(asWhole(1, 1_000_000)))
    .addOption(new Option('--follow', 'go on with new lines until Ctrl-C').conflicts('to'))
    .action(does(() => import('../stack/logs.ts'), 'logs'));
}

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check every part and say what is wrong and how to mend it')
    .action(does(() => import('../stack/doctor.ts'), 'examine'));
}

export function registerConfig(program: Command): void {
  program
    .command('config')
    .description('the value of every variable and where it comes from; secrets are not shown')
    .option('--set', 'only those that the environment or the laptop stack sets')
    .action(does(() => import('../stack/config.ts'), 'config'));
}

export function registerDb(program: Command): void {
  const db = program.command('db').description('the SQL store: its schema, and what is old');
  db.command('migrate')
    .description('bring the schema to this version of fleetscore; safe to run twice, and from several processes')
    .action(does(() => import('../stack/db.ts'), 'migrate'));
  db.command('status')
    .description('engine, schema version and pending migrations; exit code 1 when there are any')
    .action(does(() => import('../stack/db.ts'), 'status'));
  db.command('prune')
    .description(
      'delete old windows and batches from SQL and, with FLEETSCORE_PRUNE_BLOBS=on as in the laptop stack, what goes with them from Blob',
    )
    .addOption(
      new Option(
        '--windows <age>',
        'windows older than this, by event time (default: FLEETSCORE_KEEP_WINDOWS)',
      ).argParser(asDuration),
    )
    .addOption(
      new Option('--batches <age>', 'batches that ended longer ago (default: FLEETSCORE_KEEP_BATCHES)').argParser(
        asDuration,
      ),
    )
    .action(does(() => import('../stack/db.ts'), 'prune'));
  db.command('backup')
    .description('write a whole, checked copy of a SQLite store to a new file, while workers go on')
    .argument('<file>', 'file to write; it must not be there yet')
    .action(does(() => import('../stack/db.ts'), 'backup'));
  db.command('adopt')
    .description('give the Blob account to this SQL store, in the place of a store that is gone for good')
    .requiredOption(
      '--blobs-of <id>',
      'deployment that the account belongs to now, as the refusal of a worker names it',
    )
    .action(does(() => import('../stack/db.ts'), 'adopt'));
}

export function registerLocal(program: Command): void {
  const port = asWhole(0, 65_535);
  program
    .command('local')
    .description('parts of the laptop stack alone')
    .command('event-hubs')
    .description('start the Event Hubs emulator on loopback, and stay until Ctrl-C')
    .addOption(
      new Option('--port <n>', '0: any free one (default: FLEETSCORE_EVENT_HUBS_PORT, or 5672)').argParser(port),
    )
    .option('--data <dir>', 'folder of the events (default: a temporary one, gone at the end)')
    .addOption(
      new Option('--config <file>', "event hubs from a Config.json of Microsoft's emulator").conflicts([
        'hub',
        'partitions',
      ]),
    )
    .option('--hub <name>', `name of the event hub (default: ${DEFAULT_HUB.name})`)
    .addOption(
      new Option('--partitions <n>', `its partitions (default: ${DEFAULT_HUB.partitions})`).argParser(asWhole(1, 32)),
    )
    .addOption(new Option('--health-port <n>', 'answer GET /health there').argParser(asWhole(1, 65_535)))
    .addOption(
      new Option('--retention-hours <n>', 'how long events are kept (default: 24)').argParser(asWhole(1, 2_160)),
    )
    .action(does(() => import('../stack/local.ts'), 'eventHubs'));
}

export function registerCodecServer(program: Command): void {
  program
    .command('codec-server')
    .description(
      'decrypt payloads for the Web UI and the `temporal` command, until Ctrl-C; needs FLEETSCORE_PAYLOAD_KEYS and FLEETSCORE_CODEC_TOKEN',
    )
    .addOption(new Option('--port <n>', '0: any free one').default(8081).argParser(asWhole(0, 65_535)))
    .addOption(new Option('--host <address>', 'address to listen on').default(LOOPBACK))
    .option(
      '--origin <url...>',
      'where the Web UI is opened, such as https://temporal.example.com (default: that of the laptop stack)',
    )
    .option('--tls-cert <file>', 'certificate in PEM: serve https')
    .option('--tls-key <file>', 'its key')
    .option('--plain-http', 'serve http beyond loopback: only behind a proxy that speaks https')
    .action(does(() => import('../stack/codec-server.ts'), 'serve'));
}

export function registerInit(program: Command): void {
  program
    .command('init')
    .description('make a folder to begin with: readings, a script that trains models, and one that runs it all')
    .argument('<folder>', 'folder to make; it must not be there yet, or be empty')
    .action(does(() => import('../stack/init.ts'), 'init'));
}

export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .description('print the script that completes commands, options and names in a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .action(does(() => import('../stack/completion.ts'), 'completion'));
}

export function registerWorker(program: Command): void {
  program
    .command('worker')
    .description(
      'run one worker in the foreground, with the configuration in force, until Ctrl-C or SIGTERM, which drain it; ' +
        'its log goes to stdout, a line of JSON each',
    )
    .addArgument(new Argument('<role>', 'which worker').choices(['control', 'scoring', 'ingest']))
    .action(does(() => import('../stack/worker.ts'), 'worker'));
}

function addStackOptions(command: Command): Command {
  return command
    .option('--temporal <address>', 'a Temporal server that you run, instead of a dev server of the stack (HOST:PORT)')
    .option('--namespace <name>', 'its namespace (default: TEMPORAL_NAMESPACE, a profile, or default)')
    .addOption(
      new Option('--ports <how>', 'auto: any free ports; default: the usual ones (7233, 8233, 10000, 5672)').choices([
        'auto',
        'default',
      ]),
    )
    .addOption(
      new Option(
        '--scoring-workers <n>',
        'scoring worker processes; auto: a pool that starts at zero and grows with the work',
      )
        .default('auto')
        .argParser(asWorkers),
    );
}

const asWorkers = (text: string): number | 'auto' => (text === 'auto' ? 'auto' : asWhole(0, 64)(text));
