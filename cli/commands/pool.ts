/** The commands about the pool of workers and what it costs: their names, options and examples. */
import { Option, type Command } from 'commander';
import { does } from '../frame/command.ts';
import { asDuration, asDurationOrZero, asInterval, asWhole, fromOption, toOption } from '../frame/options.ts';

export function registerPool(program: Command): void {
  const pool = program.command('pool').description('the pool of scoring workers: nodes, decisions, limits');
  pool
    .command('status')
    .description('nodes, work, the last decision and its reason; of all pools when there are several')
    .addOption(poolOption('only this pool'))
    .action(does(() => import('../pool/status.ts'), 'status'));
  pool
    .command('set')
    .description('change limits while the pool runs')
    .addOption(poolOption())
    .addOption(new Option('--min <n>', 'nodes that are always kept').argParser(asWhole(0, 1000)))
    .addOption(new Option('--max <n>', 'most nodes').argParser(asWhole(0, 1000)))
    .addOption(
      new Option('--idle <duration>', 'a node without work is let go after this time').argParser(asDurationOrZero),
    )
    .option(
      '--keep-warm <when>',
      'keep idle nodes for the next batch: break-even, never, always, or while it is due within a time such as 20m',
    )
    .addOption(
      new Option('--finish-within <duration>', 'a batch is to be scored within this time').argParser(asDuration),
    )
    .addOption(
      new Option('--margin <duration>', 'nodes are ready this long before a batch is due').argParser(asDurationOrZero),
    )
    .action(does(() => import('../pool/steer.ts'), 'set'));
  verb(pool, 'pause', 'start and stop no nodes until resume');
  verb(pool, 'drain', 'let all nodes go once their work is done, and start none until resume');
  verb(pool, 'resume', 'scale again after pause or drain');
  pool
    .command('watch')
    .description('follow the pool until Ctrl-C: drawn live on a terminal, a line for each change elsewhere')
    .addOption(poolOption())
    .addOption(new Option('--every <duration>', 'between two looks').default('1s').argParser(asInterval))
    .addOption(new Option('--for <duration>', 'end after this time').argParser(asDuration))
    .action(does(() => import('../pool/watch.ts'), 'watch'));
  registerPoolReport(pool);
}

function verb(pool: Command, name: 'pause' | 'drain' | 'resume', description: string): void {
  pool
    .command(name)
    .description(description)
    .addOption(poolOption())
    .action(does(() => import('../pool/steer.ts'), name));
}

const poolOption = (text = 'which pool (default: FLEETSCORE_POOL, or scoring)'): Option =>
  new Option('--pool <name>', text);

function registerPoolReport(pool: Command): void {
  pool
    .command('report')
    .description('batches, workers and work of a time as an HTML page with a chart (default: the last hour)')
    .addOption(poolOption())
    .addOption(fromOption('start of the time'))
    .addOption(toOption('end of the time, not included'))
    .option('--html <file>', 'where the page goes (default: {home}/reports/pool-NAME-TIME.html)')
    .action(does(() => import('../pool/report.ts'), 'report'));
}

export function registerCost(program: Command): void {
  program
    .command('cost')
    .description('node hours and money of a batch, or of a time (default: the last 24 hours)')
    .argument('[batch]', 'id of a batch')
    .addOption(fromOption('start of the time'))
    .addOption(toOption('end of the time, not included'))
    .option('--pool <name>', 'only this pool (default: all that have a record)')
    .option(
      '--prices <file>',
      'price file in the shape of https://prices.azure.com/api/retail/prices (default: FLEETSCORE_PRICES_FILE)',
    )
    .addOption(
      new Option('--region <name>', 'region of the prices, for example westeurope (default: FLEETSCORE_PRICES_REGION)'),
    )
    .action(does(() => import('../pool/cost.ts'), 'cost'));
}

export function registerWorkers(program: Command): void {
  const workers = program
    .command('workers')
    .description('versions of the control workers: who runs, who gets the new batches');
  workers
    .command('status')
    .description('versions, their workers and the batches pinned to them')
    .action(does(() => import('../pool/workers.ts'), 'status'));
  workers
    .command('promote')
    .description('let new batches start on a version; those that run stay on theirs. Also the way back to an older one')
    .argument('[version]', 'build id (default: the newest one with a worker)')
    .action(does(() => import('../pool/workers.ts'), 'promote'));
  workers
    .command('move')
    .description(
      'pin the running batches of a version to the current one, where they go on; ' +
        'for versions whose workers will not come back',
    )
    .argument('<version>', 'build id')
    .action(does(() => import('../pool/workers.ts'), 'move'));
}
