/**
 * `npm run bench -- --against WORKTREE | --temporal ADDRESS | --sql URL`: batches of a fleet on servers of one's own,
 * or beside another build (a worktree with its node_modules), in turns on one machine. Medians, and their ratios: on a
 * busy machine seconds say little, ratios and CPU do. CPU of a server that the stack did not start is not in it.
 *
 *   --sizes 1000,100000   fleets in groups (default 10000; none)      --children 500   a child workflow per sensor
 *   --rounds 3            batches of each, after one that warms up    --json FILE      the figures as data
 */
import { randomUUID } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { connectClient } from '../connect/temporal.ts';
import { loadConfig } from '../config.ts';
import { findTemporal } from '../local/temporal-binary.ts';
import * as own from './fleet.ts';
import { describeMachine, load } from './machine.ts';

type Build = Pick<typeof own, 'startFleet' | 'runBatch'>;
type Log = (line: string) => void;

/** What a build made of one fleet; of each figure the median of the rounds. */
export interface Figures {
  readonly build: string;
  readonly sensors: number;
  readonly seconds: number;
  /** Microseconds a sensor, all processes together, and by process. */
  readonly cpu: number;
  readonly cpuByPart: Readonly<Record<string, number>>;
  /** Of the scoring worker. */
  readonly peakMiB: number;
  readonly events: number;
}

interface Job {
  readonly sensors: number;
  readonly childPerSensor: boolean;
}

const WINDOWS = 15;
const TOOLS = fileURLToPath(new URL('../.tools/cli', import.meta.url));

export const isElsewhere = (args: readonly string[]): boolean =>
  args.some((arg) => /^--(against|temporal|sql)(=|$)/.test(arg));

export async function benchElsewhere(args: readonly string[]): Promise<void> {
  const say: Log = (line) => void process.stderr.write(`${line}\n`);
  const flags = flagsOf(args);
  const builds: [string, Build][] = [['this build', own]];
  if (flags.against !== undefined) builds.push(['the other', await buildOf(flags.against)]);
  const figures: Figures[] = [];
  const { toolsDir } = loadConfig({ FLEETSCORE_TOOLS_DIR: TOOLS });
  const machine = describeMachine(await findTemporal(toolsDir, say));
  const before = load();
  for (const job of flags.jobs) {
    say(`${job.sensors} sensors${job.childPerSensor ? ', a child each' : ''}:`);
    figures.push(...(await measure(job, builds, flags, say)));
  }
  process.stdout.write(
    `${machine.cores} cores (${machine.cpu}), load ${before} to ${load()}, medians of ${flags.rounds} rounds in turns` +
      (flags.temporal === undefined ? '' : `; Temporal at ${flags.temporal}`) +
      `${flags.sql === undefined ? '' : '; SQL Server'}\n\n` +
      elsewhereTable(figures),
  );
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify({ machine, figures }, null, 2)}\n`);
}

interface Flags {
  readonly jobs: readonly Job[];
  readonly rounds: number;
  readonly against: string | undefined;
  readonly temporal: string | undefined;
  readonly sql: string | undefined;
  readonly json: string | undefined;
}

/** @throws Error that says which flag is wrong */
export function flagsOf(args: readonly string[]): Flags {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      sizes: { ...text, default: '10000' },
      children: text,
      rounds: { ...text, default: '3' },
      against: text,
      temporal: text,
      sql: text,
      json: text,
    },
  });
  const whole = (flag: string, value: string): number => {
    const number = Number(value);
    if (Number.isInteger(number) && number >= 1) return number;
    throw new Error(`--${flag} takes whole numbers from 1, not ${JSON.stringify(value)}`);
  };
  const sizes = values.sizes === 'none' ? [] : values.sizes.split(',').map((size) => whole('sizes', size));
  const jobs: Job[] = sizes.map((sensors) => ({ sensors, childPerSensor: false }));
  if (values.children !== undefined) jobs.push({ sensors: whole('children', values.children), childPerSensor: true });
  const { against, temporal, sql, json } = values;
  if (sql !== undefined && (jobs.length !== 1 || against !== undefined))
    throw new Error('--sql fills an empty database with one fleet: give one size, and no --against');
  if (temporal !== undefined && against !== undefined)
    throw new Error('--temporal and --against do not go together: older builds start a server of their own');
  return { jobs, rounds: whole('rounds', values.rounds), against, temporal, sql, json };
}

/** @throws Error when there is no build at this place */
async function buildOf(worktree: string): Promise<Build> {
  const file = join(resolve(worktree), 'bench', 'fleet.ts');
  if (!existsSync(file) || !existsSync(join(resolve(worktree), 'node_modules')))
    throw new Error(`--against ${worktree}: no build with its node_modules is there (git worktree add, then npm ci)`);
  return (await import(pathToFileURL(file).href)) as Build;
}

async function measure(
  { sensors, childPerSensor }: Job,
  builds: readonly (readonly [string, Build])[],
  { rounds, temporal, sql }: Flags,
  say: Log,
): Promise<Figures[]> {
  const extra = sql === undefined ? {} : { FLEETSCORE_SQL_URL: sql };
  const outside = temporal === undefined ? undefined : { address: temporal, namespace: await newNamespace(temporal) };
  const started: { name: string; build: Build; fleet: own.BenchFleet; runs: own.BatchRun[] }[] = [];
  try {
    for (const [name, build] of builds)
      started.push({
        name,
        build,
        fleet: await build.startFleet(sensors, WINDOWS, TOOLS, say, extra, outside),
        runs: [],
      });
    const request = childPerSensor ? { sensorsPerChild: 1 } : {};
    for (let round = 0; round <= rounds; round++)
      for (const { name, build, fleet, runs } of started) {
        const run = await build.runBatch(fleet, `round-${round}`, request);
        // The first one compiles code and loads packs.
        if (round > 0) runs.push(run);
        say(`  ${round === 0 ? 'warm-up' : `round ${round}`}: ${name} ${run.seconds.toFixed(2)} s`);
      }
    return started.map(({ name, runs }) => figuresOf(name, sensors, runs));
  } finally {
    for (const { fleet } of started) await fleet.stop();
  }
}

/** Stacks on one server each have a namespace of their own. */
async function newNamespace(address: string): Promise<string> {
  const namespace = `fleetscore-bench-${randomUUID().slice(0, 8)}`;
  const client = await connectClient({ ...process.env, TEMPORAL_ADDRESS: address });
  try {
    await client.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
    });
    return namespace;
  } finally {
    await client.connection.close();
  }
}

export const medianOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function figuresOf(build: string, sensors: number, runs: readonly own.BatchRun[]): Figures {
  const of = (run: own.BatchRun): Readonly<Record<string, number>> => run.cpuSeconds;
  const micro = (seconds: number): number => Math.round((seconds * 1e7) / sensors) / 10;
  const parts = [...new Set(runs.flatMap((run) => Object.keys(of(run))))];
  const sum = (run: own.BatchRun): number => Object.values(of(run)).reduce((total, seconds) => total + seconds, 0);
  return {
    build,
    sensors,
    seconds: medianOf(runs.map((run) => run.seconds)),
    cpu: micro(medianOf(runs.map(sum))),
    cpuByPart: Object.fromEntries(parts.map((part) => [part, micro(medianOf(runs.map((run) => of(run)[part] ?? 0)))])),
    peakMiB: medianOf(runs.map((run) => run.peakMiB['scoring worker'] ?? 0)),
    events: medianOf(runs.map((run) => run.history.events)),
  };
}

/** A row for each build and fleet, and the ratio to the other build behind each figure of this one. */
export function elsewhereTable(figures: readonly Figures[]): string {
  const rows = figures.map((one) => {
    const other = figures.find((two) => two.sensors === one.sensors && two.build !== one.build);
    const beside = (value: number, of: (figures: Figures) => number): string =>
      other && one.build === 'this build' ? `${value} (${(value / of(other)).toFixed(2)})` : String(value);
    const parts = Object.entries(one.cpuByPart).filter(([, cpu]) => cpu >= 0.1);
    return (
      `| ${one.sensors} | ${one.build} | ${beside(Number(one.seconds.toFixed(2)), (f) => f.seconds)} ` +
      `| ${beside(one.cpu, (f) => f.cpu)} | ${parts.map(([part, cpu]) => `${part} ${cpu}`).join(', ')} ` +
      `| ${beside(one.peakMiB, (f) => f.peakMiB)} | ${one.events} |\n`
    );
  });
  return (
    '| sensors | build | seconds | CPU, us a sensor | by process | scoring worker, peak MiB | most events |\n' +
    '| ---: | --- | ---: | ---: | --- | ---: | ---: |\n' +
    rows.join('')
  );
}
