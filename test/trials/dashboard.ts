/**
 * `npm run chaos -- --dashboard`: a real Prometheus finds the workers of a live stack by its file, scrapes them through
 * three batches, and every panel of the Grafana dashboard must show what the store says. PROMETHEUS names the program
 * where it is not on PATH (Debian's package prometheus). Exit code 1 when a number differs, 77 without Prometheus.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { orUsage } from '../../bench/flags.ts';
import { openContext, type Context } from '../../cli/frame/context.ts';
import { loadConfig } from '../../config.ts';
import { freePort } from '../../local/ports.ts';
import { agreedOf } from '../../domain/challenge.ts';
import { targetsFile } from '../../local/prometheus-targets.ts';
import { startStack } from '../../local/stack.ts';
import { SAMPLE_FLEET } from '../../samples/fleet.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import { cleanEnv, runCli, TOOLS } from '../support/cli.ts';
import { damageModel, FROM, modelsOf, readingsOf, TO } from '../support/small-fleet.ts';
import { differences, panelsOf, type Facts, type Shown } from './dashboard-checks.ts';

orUsage('npm run chaos -- --dashboard', () => parseArgs({ options: { dashboard: { type: 'boolean' } } }));

const program = process.env.PROMETHEUS ?? 'prometheus';
if (spawnSync(program, ['--version']).status !== 0) {
  console.log(`skipped: there is no ${program}. Debian's package prometheus has it; PROMETHEUS names another.`);
  process.exit(77);
}
const root = new URL('../../', import.meta.url);
const SENSORS = 3;
const home = mkdtempSync(join(tmpdir(), 'fleetscore-dashboard-'));
const say = (line: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);

const rowsOf = (files: readonly { readonly rows: number }[]): number => files.reduce((all, { rows }) => all + rows, 0);
const sum = async (numbers: readonly Promise<number>[]): Promise<number> =>
  (await Promise.all(numbers)).reduce((all, one) => all + one, 0);

const ports = Object.fromEntries(
  ['TEMPORAL', 'UI', 'BLOB', 'EVENT_HUBS'].map((part) => [`FLEETSCORE_${part}_PORT`, 'auto']),
);
const env = {
  ...cleanEnv(),
  ...ports,
  FLEETSCORE_HOME: home,
  FLEETSCORE_TOOLS_DIR: TOOLS,
  FLEETSCORE_METRICS_PORT: 'auto',
  FLEETSCORE_POOL_IDLE: '30m',
  FLEETSCORE_PRICES_FILE: new URL('deploy/prices.sample.json', root).pathname,
  FLEETSCORE_PRICES_REGION: 'westeurope',
};
const stack = await startStack({ config: loadConfig(env), env, log: say, scoringWorkers: 'pool' });
const context = openContext({ home }, cleanEnv());
const prometheus = await startPrometheus();
let code = 1;
try {
  await threeBatches(context);
  const facts = await factsOf(context);
  // Two scrapes see the end of the last batch; what ingest and the pool tell is asked anew at each.
  const panels = panelsOf(readFileSync(new URL('deploy/monitoring/grafana-dashboard.json', root), 'utf8'));
  let wrong: readonly string[] = [];
  let shown: readonly Shown[] = [];
  for (const until = Date.now() + 90_000; Date.now() < until; await sleep(2_000)) {
    shown = await Promise.all(panels.map(async (panel) => ({ ...panel, series: await prometheus.ask(panel.expr) })));
    wrong = differences(shown, { ...facts, nowMs: Date.now() });
    if (wrong.length === 0) break;
  }
  for (const { title, legend, series } of shown)
    say(`${title} (${legend}): ${series.map(({ labels, value }) => `${labels} ${value}`).join('; ') || 'no data'}`);
  for (const line of wrong) say(`DIFFERS: ${line}`);
  const unhealthy = await prometheus.unhealthyRules();
  for (const rule of unhealthy) say(`RULE: ${rule}`);
  say(
    `${shown.length} queries of the dashboard, ${wrong.length} differ from the store; ${unhealthy.length} rules fail`,
  );
  code = wrong.length + unhealthy.length === 0 ? 0 : 1;
} finally {
  await prometheus.stop();
  await context.close();
  await stack.stop();
  rmSync(home, { recursive: true, force: true });
}
process.exit(code);

/** A schedule over three periods; one of three models is not what was published, and a challenger is scored beside. */
async function threeBatches({ store: openIt }: Context): Promise<void> {
  const cli = async (...args: string[]): Promise<void> => {
    const done = await runCli(home, args, {});
    if (done.code !== 0) throw new Error(`fleetscore ${args.join(' ')}: ${done.stderr}`);
  };
  const folder = modelsOf(SENSORS, join(home, 'models'));
  await cli('models', 'publish', folder);
  await cli('models', 'publish', folder, '--release', 'twin', '--no-promote');
  await cli('models', 'challenge', 'twin');
  const readings = readingsOf(SENSORS, join(home, 'readings.csv'));
  // Some that no model takes for normal.
  const lines = readFileSync(readings, 'utf8').split('\n');
  writeFileSync(readings, lines.map((line, i) => (i % 40 === 20 ? line.replace(/[^,]+$/, '9999') : line)).join('\n'));
  await cli('send', readings, '--wait');
  const store = await openIt();
  await damageModel(context, SAMPLE_FLEET[1]!);
  await cli('schedule', 'create', 'plant', '--every', '5m', '--paused', '--tolerated-failure-percentage', '50');
  await cli('schedule', 'backfill', 'plant', '--from', FROM, '--to', TO);
  for (const until = Date.now() + 300_000; Date.now() < until; await sleep(500)) {
    const batches = await store.listBatches({ schedule: 'plant' });
    if (batches.length === 3 && batches.every(hasEnded)) return;
  }
  throw new Error('three batches did not end');
}

async function factsOf({ store: openIt }: Context): Promise<Omit<Facts, 'nowMs'>> {
  const store = await openIt();
  const batches: Batch[] = await store.listBatches({ schedule: 'plant' });
  const progress = await store.listProgress();
  const challenged = { same: 0, differ: 0 };
  for (const summary of await store.challengeSummaries({})) {
    challenged.same += agreedOf(summary);
    challenged.differ += summary.onlyBase + summary.onlyChallenger;
  }
  return {
    batches,
    predictions: await sum(batches.map(async ({ id }) => rowsOf(await store.listFiles(id)))),
    challenged,
    partitions: progress.length,
    counted: {
      readings: progress.reduce((all, { readings }) => all + readings, 0),
      late: progress.reduce((all, { late }) => all + late, 0),
      dead: progress.reduce((all, { dead }) => all + dead, 0),
    },
    watermarksMs: new Map(progress.map(({ partition, watermarkMs }) => [partition, watermarkMs])),
  };
}

interface Prometheus {
  ask(expr: string): Promise<Shown['series']>;
  /** Rules that Prometheus cannot evaluate. */
  unhealthyRules(): Promise<string[]>;
  stop(): Promise<void>;
}

async function startPrometheus(): Promise<Prometheus> {
  const port = await freePort();
  const data = join(home, 'prometheus');
  mkdirSync(data, { recursive: true });
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '5s' },
    rule_files: [new URL('deploy/monitoring/prometheus-alerts.yaml', root).pathname],
    scrape_configs: [
      { job_name: 'fleetscore', file_sd_configs: [{ files: [targetsFile(home)], refresh_interval: '1s' }] },
    ],
  };
  // JSON is YAML.
  const file = join(data, 'prometheus.yml');
  writeFileSync(file, JSON.stringify(config));
  const options = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${data}/tsdb`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const child = spawn(program, options, { stdio: 'ignore' });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const get = async (path: string): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const { data: found, error } = (await answer.json()) as { readonly data?: unknown; readonly error?: string };
    if (error !== undefined) throw new Error(error);
    return found;
  };
  for (const until = Date.now() + 30_000; Date.now() < until; await sleep(200))
    if (
      await fetch(`http://127.0.0.1:${port}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      break;
  return {
    async ask(expr) {
      const { result } = (await get(`query?query=${encodeURIComponent(expr)}`)) as {
        readonly result: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[];
      };
      return result.map(({ metric, value }) => ({ metric, labels: JSON.stringify(metric), value: Number(value[1]) }));
    },
    async unhealthyRules() {
      const { groups } = (await get('rules')) as {
        readonly groups: readonly { readonly rules: readonly { name: string; health: string; lastError?: string }[] }[];
      };
      const rules = groups.flatMap((group) => group.rules);
      if (rules.length === 0) return ['Prometheus has no rules'];
      return rules
        .filter(({ health }) => health !== 'ok')
        .map((rule) => `${rule.name}: ${rule.lastError ?? rule.health}`);
    },
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
