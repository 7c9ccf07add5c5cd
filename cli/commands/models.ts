/** The commands about models and releases: their names, options and examples. */
import { Option, type Command } from 'commander';
import { THRESHOLD_FORM } from '../../domain/threshold.ts';
import { MAX_PROMOTIONS } from '../../storage/promotions.ts';
import { does } from '../frame/command.ts';
import { asNumber, asTime, asWhole, fromOption, SECOND, SENSOR, toOption } from '../frame/options.ts';

export function registerModels(program: Command): void {
  const models = program.command('models').description('convert, publish and list models');
  models
    .command('convert')
    .description(
      'convert models of scikit-learn and PyOD (pickle, joblib, skops) to ONNX, without running any code in ' +
        'them; kinds: docs/models.md',
    )
    .argument(
      '<dir>',
      'folder with files model_<device>_<sensor>, or with a manifest.csv (Device,Sensor,Model and, where ' +
        'needed, Pool, Features, Threshold, Window)',
    )
    .argument('<out>', 'folder for the ONNX files')
    .option(
      '--features <names>',
      'features of models that do not say which, divided by commas, in the order of their columns, ' +
        'such as mean,min,max',
    )
    .action(does(() => import('../models/models.ts'), 'convert'));
  models
    .command('publish')
    .description('check models, store them and make them the current release')
    .argument(
      '<dir>',
      'folder with model_<device>_<sensor>.onnx files, or with a manifest.csv (Device,Sensor,Model and, ' +
        'where needed, Pool, Features, Label, Threshold, Window)',
    )
    .option('--release <name>', 'name of the release (default: from the time)')
    .option(
      '--features <names>',
      'features of models that do not say which, divided by commas, in the order of their columns, ' +
        'such as mean,min,max',
    )
    .option('--label <meaning>', 'what a label means in models that do not say it, such as anomaly=1 or normal=inlier')
    .option(
      '--threshold <threshold>',
      'a threshold on the score that decides instead of the label of the models, such as ">0.5"',
    )
    .option(
      '--window <length>',
      "windows of the sensors' own, such as 1h, made of the fleet's: what a row of their features is, and what lags " +
        'count in',
    )
    .option('--skip-bad', 'publish the good ones when some are bad; otherwise one bad model stops all')
    .addOption(
      new Option(
        '--merge',
        'keep the models of the current release for sensors that the folder does not name',
      ).conflicts('replace'),
    )
    .option('--replace', 'let them go: sensors that the folder does not name have no model any more')
    .option('--no-promote', 'keep the current release: this one can be a challenger first')
    .action(does(() => import('../models/publish.ts'), 'publish'));
  models
    .command('list')
    .description('list releases, or the models of one')
    .option('--release <release>', 'models of this release')
    .addOption(new Option('--limit <n>', 'how many models at the most').default(1_000).argParser(asWhole(1, 1_000_000)))
    .action(does(() => import('../models/models.ts'), 'list'));
  registerReleases(models);
  registerChallenge(models);
  registerModelHealth(models);
  registerThresholds(models);
}

/** Adds the subcommands to `models`. */
function registerReleases(models: Command): void {
  models
    .command('promote')
    .description('make a published release the current one; batches that run keep theirs')
    .argument('<release>', 'name of the release')
    .option('--replace', 'also when sensors that have a model now have none in it')
    .action(does(() => import('../models/releases.ts'), 'promote'));
  models
    .command('rollback')
    .description(
      'make the release that was current before this one current again; again, and it is the one before that',
    )
    .option('--replace', 'also when sensors that have a model now have none in it')
    .action(does(() => import('../models/releases.ts'), 'rollback'));
  models
    .command('history')
    .description('which releases were current: since when, by whom, and how they became so')
    .addOption(new Option('--limit <n>', 'how many at the most').default(100).argParser(asWhole(1, MAX_PROMOTIONS)))
    .action(does(() => import('../models/releases.ts'), 'history'));
}

/** Adds the subcommand to `models`. */
function registerChallenge(models: Command): void {
  models
    .command('challenge')
    .description(
      'have the next batches score a release beside the current one, without serving it; ' +
        'without a name, tell which one that is',
    )
    .argument('[release]', 'name of a published release')
    .addOption(
      new Option('--share <share>', 'share of the sensors, above 0 and up to 1 (default: 1)').argParser(asNumber(0, 1)),
    )
    .option('--stop', 'score no challenger any more')
    .action(does(() => import('../models/challenge.ts'), 'challenge'));
}

/** Adds the subcommands to `models`. */
function registerModelHealth(models: Command): void {
  models
    .command('compare')
    .description(
      'what batches recorded of a challenger; or, with a period, score it beside the current release here, ' +
        'without writing anything',
    )
    .argument('<release>', 'the challenger, or any other release')
    .addOption(fromOption())
    .addOption(toOption())
    .option('--base <release>', 'compare with this release (default: the current one; recorded: each there was)')
    .addOption(
      new Option('--share <share>', 'share of the sensors to score here, 0 to 1 (default: 1)').argParser(
        asNumber(0, 1),
      ),
    )
    .option(
      '--recorded',
      'with a period: what batches over periods inside it recorded, instead of scoring here (without ' +
        'one: the last week)',
    )
    .action(does(() => import('../models/health.ts'), 'compare'));
  models
    .command('health')
    .description(
      'sensors whose model flags nearly everything or nothing, or whose readings have drifted from a baseline',
    )
    .addOption(fromOption().makeOptionMandatory())
    .addOption(toOption().makeOptionMandatory())
    .addOption(new Option('--baseline-from <time>', 'start of the baseline period').argParser(asTime))
    .addOption(new Option('--baseline-to <time>', 'end of the baseline period, not included').argParser(asTime))
    .action(does(() => import('../models/health.ts'), 'health'));
}

/** Adds the subcommands to `models`. */
function registerThresholds(models: Command): void {
  models
    .command('tune')
    .description('how often a sensor would have been an anomaly by other thresholds on its score; writes nothing')
    .argument('<device/sensor>', SENSOR)
    .argument('[sensor]', SECOND)
    .usage('[options] <device/sensor>')
    .addOption(fromOption().makeOptionMandatory())
    .addOption(toOption().makeOptionMandatory())
    .option('--release <release>', 'with its model in this release (default: the current one)')
    .addOption(
      new Option(
        '--side <side>',
        'on which side of a threshold anomalies lie (default: as the labels of the model say)',
      ).choices(['above', 'below']),
    )
    .action(does(() => import('../models/thresholds.ts'), 'tune'));
  models
    .command('threshold')
    .description(
      'set the threshold on the score of a sensor that decides what an anomaly is: a new release, with all ' +
        'else as in the current one',
    )
    .argument('<device/sensor>', SENSOR)
    .argument('<threshold>', `${THRESHOLD_FORM}; none: the label of the model decides`)
    .argument('[more]', 'device, sensor and threshold may be three arguments')
    .usage('[options] <device/sensor> <threshold>')
    .option('--release <name>', 'name of the new release (default: from the time)')
    .option('--no-promote', 'keep the current release: this one can be a challenger first')
    .action(does(() => import('../models/thresholds.ts'), 'threshold'));
}
