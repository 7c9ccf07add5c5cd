/** The commands about batches and what they predicted: their names, options and examples. */
import { Option, type Command } from 'commander';
import { PREDICTIONS_FORMATS } from '../../domain/prediction.ts';
import { MAX_PENDING } from '../../workflows/policies.ts';
import { does } from '../frame/command.ts';
import { asWhole, fromOption, SECOND, SENSOR, toOption } from '../frame/options.ts';
import { addRequestOptions } from './request-options.ts';

export function registerBatch(program: Command): void {
  const batch = program.command('batch').description('run, steer and inspect batches');
  starts(batch, 'run', 'score the fleet over a period, now')
    .addOption(fromOption().makeOptionMandatory())
    .addOption(toOption().makeOptionMandatory())
    .addOption(waitUntilThen())
    .action(does(() => import('../batch/batch.ts'), 'run'));
  starts(batch, 'redrive', 'score again only the failed and cancelled sensors of a batch')
    .argument('<batch>', 'id of the batch')
    .addOption(new Option('--sensor <device/sensor...>', 'score these again instead, whatever became of them'))
    .action(does(() => import('../batch/batch.ts'), 'redrive'));
  starts(
    batch,
    'rescore',
    'score again only sensors whose readings changed since they were scored for exactly this period',
  )
    .addOption(fromOption().makeOptionMandatory())
    .addOption(toOption().makeOptionMandatory())
    .addOption(waitUntilThen())
    .action(does(() => import('../batch/batch.ts'), 'rescore'));
  steers(batch, 'cancel', 'end a running batch; sensors not scored yet are recorded as cancelled').action(
    does(() => import('../batch/batch.ts'), 'cancel'),
  );
  steers(batch, 'pause', 'start no more child workflows of a running batch').action(
    does(() => import('../batch/batch.ts'), 'pause'),
  );
  steers(batch, 'resume', 'go on with a paused batch').action(does(() => import('../batch/batch.ts'), 'resume'));
  steers(batch, 'concurrency', 'set how many child workflows of a running batch run at once')
    .addOption(
      new Option('--limit <n>', `1 to ${MAX_PENDING}`).argParser(asWhole(1, MAX_PENDING)).makeOptionMandatory(),
    )
    .action(does(() => import('../batch/batch.ts'), 'concurrency'));
  registerBatchPlan(batch);
  registerBatchViews(batch);
}

function starts(batch: Command, verb: string, description: string): Command {
  return addRequestOptions(
    batch.command(verb).description(description).option('--wait', 'wait until it is done; exit code 1 when it failed'),
  );
}

function steers(batch: Command, verb: string, description: string): Command {
  return batch.command(verb).description(description).argument('<batch>', 'id of the batch');
}

const waitUntilThen = (): Option =>
  new Option('--wait-until-then', 'take a --to in the future: the batch waits for the end of its period');

function registerBatchPlan(batch: Command): void {
  batch
    .command('plan')
    .description(
      'dry run: which sensors a batch would score or skip, its groups, chunks and pools, how long it ' +
        'may take and what it will cost',
    )
    .addOption(fromOption().makeOptionMandatory())
    .addOption(toOption().makeOptionMandatory())
    .option('--release <release>', 'release to score with (default: the current one)')
    .addOption(new Option('--sensors-per-child <n>', 'sensors per child workflow').argParser(asWhole(1)))
    .addOption(new Option('--sensors-per-activity <n>', 'sensors per scoring activity').argParser(asWhole(1)))
    .option(
      '--prices <file>',
      'price file in the shape of https://prices.azure.com/api/retail/prices (default: FLEETSCORE_PRICES_FILE)',
    )
    .action(does(() => import('../batch/plan.ts'), 'plan'));
}

function registerBatchViews(batch: Command): void {
  batch
    .command('list')
    .description('list batches, newest first')
    .option('--schedule <schedule>', 'only those of a schedule')
    .addOption(
      new Option('--status <status>', 'only those in a state').choices([
        'waiting',
        'running',
        'completed',
        'failed',
        'cancelled',
      ]),
    )
    .addOption(new Option('--limit <n>', 'how many at the most').default(20).argParser(asWhole(1, 10_000)))
    .action(does(() => import('../batch/list.ts'), 'list'));
  batch
    .command('show')
    .description('show a batch: counts, failures by cause, failed and skipped sensors')
    .argument('<batch>', 'id of the batch')
    .action(does(() => import('../batch/show.ts'), 'show'));
}

export function registerPredictions(program: Command): void {
  const predictions = program
    .command('predictions')
    .description('show the predictions of one sensor, the newest batch of each window')
    .argument('<device/sensor>', SENSOR)
    .argument('[sensor]', SECOND)
    .usage('[options] <device/sensor>')
    .addOption(fromOption('from this time (default: all)'))
    .addOption(toOption('to this time, not included'))
    .option('--anomalies', 'only windows labelled anomalous')
    .addOption(new Option('--limit <n>', 'the newest so many (text output; default 50)').argParser(asWhole(1)))
    .action(does(() => import('../batch/predictions.ts'), 'show'));
  predictions
    .command('export')
    .description('write the predictions of a period that count, each window once, to one file')
    // Not mandatory here: Commander gives them to the command above, which has them too; both come together in the
    // action.
    .addOption(fromOption())
    .addOption(toOption())
    .addOption(
      new Option(
        '-o, --output <file>',
        'where they go, whole or not at all; - is standard output',
      ).makeOptionMandatory(),
    )
    .addOption(
      new Option('--format <name>', 'default: parquet where the file is named .parquet, otherwise csv').choices(
        PREDICTIONS_FORMATS,
      ),
    )
    .addOption(new Option('--device <name...>', 'only sensors of these devices'))
    .addOption(new Option('--sensor <device/sensor...>', 'only these sensors'))
    .option('--release <name>', 'only what this release made, of what counts')
    .action(does(() => import('../batch/export.ts'), 'exportPredictions'));
}

export function registerReport(program: Command): void {
  program
    .command('report')
    .description(
      'draw batches: a table here, and an HTML page with charts that works offline; or a site with a page per device',
    )
    .argument('[batch...]', 'ids of batches; several are shown together (default with --site: the newest)')
    .option('--out <file>', 'where the page goes (default: reports/<batch>.html in the home folder)')
    .option(
      '--site <folder>',
      'write a site instead, as batches write it to Blob: fleet, heat map, a page per device, ' +
        'failures, model health, cost',
    )
    .action(does(() => import('../batch/report.ts'), 'report'));
}

export function registerExplain(program: Command): void {
  program
    .command('explain')
    .description('explain one prediction: batch, release, model, window, raw data, and what it superseded')
    .argument('<device/sensor>', SENSOR)
    .argument(
      '<time>',
      'a time in the window, ISO 8601 (UTC when no zone is given); where windows overlap, the last ' +
        'one that had begun then',
    )
    .argument('[more]', 'device, sensor and time may be three arguments')
    .usage('[options] <device/sensor> <time>')
    .action(does(() => import('../batch/explain.ts'), 'show'));
}

export function registerVerify(program: Command): void {
  program
    .command('verify')
    .description(
      'check that a batch lost nothing: outcomes, files, hashes, rows and totals; exit code 1 when ' +
        'something does not fit',
    )
    .argument('[batch]', 'id of the batch')
    .addOption(
      new Option(
        '--holes <n>',
        'instead of a batch: look whether Blob has manifest and files of the newest n batches, and ' +
          'write lost manifests again',
      ).argParser(asWhole(1, 1_000_000)),
    )
    .option(
      '--since <time>',
      'instead of a batch: check all that began since this time, ISO 8601, or so long ago: 7d; also ' +
        'periods that no batch scored, and workflows that do not go on',
    )
    .action(does(() => import('../batch/verify-command.ts'), 'run'));
}
