/**
 * `npm run bench -- --alarms --whole`: what alarms cost in a whole batch, from trigger to manifest. Two stacks with the
 * same fleet, one whose workers leave alarms out (without-alarms.js), score the same periods in turns; CPU is that of
 * all processes of a stack, by part. Each round is a period of its own, as in a plant: nothing is scored twice.
 *
 *   npm run bench -- --alarms --whole [--sensors 100000] [--windows 15] [--rounds 5]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadConfig } from '../config.ts';
import { FROM_MS, INTERVAL_MS, runBatch, startFleet, type BenchFleet } from './fleet.ts';
import { load } from './machine.ts';
import { cpuSeconds, difference, type ByPart } from './processes.ts';

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const say = (line: string): void => void process.stderr.write(`${line}\n`);
/** Longest time that alarms are decided on after their batch. */
const GIVE_UP_MS = 600_000;

interface Round {
  readonly seconds: number;
  readonly cpu: ByPart;
  readonly cpuSeconds: number;
}

export async function benchAlarmsWhole(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      alarms: { type: 'boolean' },
      whole: { type: 'boolean' },
      sensors: { type: 'string', default: '100000' },
      windows: { type: 'string', default: '15' },
      rounds: { type: 'string', default: '5' },
    },
  });
  const [sensors, windows, rounds] = [Number(values.sensors), Number(values.windows), Number(values.rounds)];
  const { toolsDir } = loadConfig({ FLEETSCORE_TOOLS_DIR: here('../.tools/cli') });
  // The first round warms up.
  const start = (env: Record<string, string>): Promise<BenchFleet> =>
    startFleet(sensors, windows * (rounds + 1), toolsDir, say, env);
  const [off, on] = [await start({ NODE_OPTIONS: `--import=${here('./without-alarms.js')}` }), await start({})];
  const before = load();
  const times: Record<'without' | 'with', Round[]> = { without: [], with: [] };
  try {
    for (let round = 0; round <= rounds; round++) {
      const turns = [
        ['without', off],
        ['with', on],
      ] as const;
      // Who goes first changes: what warms the machine helps both alike.
      for (const [name, bench] of round % 2 === 0 ? turns : turns.toReversed()) {
        const result = await runRound(bench, round, windows);
        say(
          `  round ${round} ${name} alarms: ${result.cpuSeconds.toFixed(2)} s of CPU, ${result.seconds.toFixed(1)} s`,
        );
        if (round > 0) times[name].push(result);
      }
    }
    const open = await (await on.context.store()).listAlarms({ limit: 100_000 });
    const [without, including] = [median(times.without), median(times.with)];
    process.stdout.write(
      `${JSON.stringify({
        sensors,
        windows,
        rounds,
        load: { before, after: load() },
        alarms: open.length,
        cpuSecondsWithout: without,
        cpuSecondsWith: including,
        share: Number((including / without - 1).toFixed(4)),
        byPart: { without: parts(times.without), with: parts(times.with) },
        all: times,
      })}\n`,
    );
  } finally {
    await off.stop();
    await on.stop();
  }
}

/** One period of both: CPU until the workflow has ended, which decides on alarms after the batch is closed. */
async function runRound(bench: BenchFleet, round: number, windows: number): Promise<Round> {
  const fromMs = FROM_MS + round * windows * INTERVAL_MS;
  const cpuBefore = cpuSeconds(bench.home);
  const period = { fromMs, toMs: fromMs + windows * INTERVAL_MS };
  const { batch, seconds } = await runBatch({ ...bench, fleet: { ...bench.fleet, ...period } }, `alarms-${round}`);
  const client = await bench.context.client();
  await Promise.race([
    client.workflow.getHandle(batch.workflowId, batch.runId).result(),
    sleep(GIVE_UP_MS, undefined, { ref: false }).then(() => {
      throw new Error(`the workflow of batch ${batch.id} did not end`);
    }),
  ]);
  const cpu = difference(cpuSeconds(bench.home), cpuBefore);
  return { seconds, cpu, cpuSeconds: Object.values(cpu).reduce((sum, value) => sum + value, 0) };
}

const median = (rounds: readonly Round[]): number =>
  rounds.map(({ cpuSeconds: cpu }) => cpu).toSorted((a, b) => a - b)[rounds.length >> 1]!;

/** The median of each part by itself. */
function parts(rounds: readonly Round[]): ByPart {
  const names = Object.keys(rounds[0]?.cpu ?? {}) as (keyof ByPart)[];
  return Object.fromEntries(
    names.map((name) => [name, rounds.map(({ cpu }) => cpu[name] ?? 0).toSorted((a, b) => a - b)[rounds.length >> 1]!]),
  );
}
