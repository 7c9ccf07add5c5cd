/** `fleetscore batch plan`: what a batch over a period would do. */
import { Option, type Command } from 'commander';
import { FleetscoreError } from '../domain/errors.ts';
import { windowsOf } from '../domain/sizing.ts';
import { storedWindows } from '../ingest/settings.ts';
import { isoTime } from '../domain/time.ts';
import { formatCount as count, formatMs, formatNumberOf as plural } from '../report/format.ts';
import { dryRun } from '../verify/plan.ts';
import { action, asWhole, fromOption, toOption, type Output } from './command.ts';
import type { Context } from './context.ts';
import { facts, table, when } from './text.ts';

interface PlanOptions {
  readonly from: number;
  readonly to: number;
  readonly release?: string;
  readonly sensorsPerChild?: number;
  readonly sensorsPerActivity?: number;
}

export function registerBatchPlan(batch: Command): void {
  batch
    .command('plan')
    .description('dry run: which sensors a batch would score or skip, its groups and chunks, how long it may take')
    .addOption(fromOption().makeOptionMandatory())
    .addOption(toOption().makeOptionMandatory())
    .option('--release <name>', 'release to score with (default: the current one)')
    .addOption(new Option('--sensors-per-child <n>', 'sensors per child workflow').argParser(asWhole(1)))
    .addOption(new Option('--sensors-per-activity <n>', 'sensors per scoring activity').argParser(asWhole(1)))
    .action(action<[], PlanOptions>(plan));
}

async function plan(context: Context, { from, to, release, sensorsPerChild, sensorsPerActivity }: PlanOptions): Promise<Output> {
  if (to <= from) throw new FleetscoreError('INVALID_ARGUMENT', `--to (${isoTime(to)}) must be later than --from (${isoTime(from)}).`);
  const asked = Object.fromEntries(Object.entries({ release, sensorsPerChild, sensorsPerActivity }).filter(([, value]) => value !== undefined));
  const period = { fromMs: from, toMs: to };
  const store = await context.store();
  const run = await dryRun(store, period, { ...asked, windows: windowsOf(period, await storedWindows(store, context.config.ingest)) });
  const { no_data, no_model } = run.skipped;
  const more = no_data + no_model - run.examples.length;
  return {
    data: { from: isoTime(from), to: isoTime(to), ...run },
    text: [
      facts([
        ['Period', `${when(from)} to ${when(to)} UTC`], ['Release', run.release],
        ['Sensors', `${count(run.planned)} planned: ${count(run.wouldScore)} would be scored (${plural(run.windows, 'window')}), ${count(no_data)} skipped without data, ${count(no_model)} without a model`],
        ['Children', `${plural(run.groups, 'child workflow')} of up to ${plural(run.sensorsPerChild, 'sensor')}, ${plural(run.chunks, 'scoring activity', 'scoring activities')} of up to ${plural(run.sensorsPerActivity, 'sensor')}`],
        ['Time', run.expected ? `about ${formatMs(run.expected.ms)}, as ${plural(run.expected.batches, 'past batch', 'past batches')} took` : 'unknown: no batch has completed yet'],
      ]),
      ...(run.examples.length === 0 ? [] : [table([{ title: 'Device' }, { title: 'Sensor' }, { title: 'Would be skipped' }], run.examples.map((e) => [e.device, e.sensor, e.class]))]),
      ...(more > 0 ? [`and ${count(more)} more.`] : []),
      'Nothing was started.',
    ].join('\n\n'),
  };
}
