/** A child workflow per sensor beside an empty child workflow per sensor, on the same server. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { median } from './end-to-end.ts';
import { type BatchRun, type BenchFleet, runBatch } from './fleet.ts';
import { type ByPart, cpuSeconds, difference } from './processes.ts';

/** Children of one kind: the round of median length, and how long all took. */
export interface Children {
  readonly seconds: number;
  readonly allSeconds: readonly number[];
  readonly perSecond: number;
  /** Milliseconds of CPU of a child, by process. */
  readonly cpuMilliseconds: ByPart;
}

export interface ChildMode {
  readonly sensors: number;
  readonly batch: Children & {
    readonly history: { readonly workflows: number; readonly events: number; readonly bytes: number };
  };
  /** Started a few at a time, as a batch starts its own. */
  readonly empty: Children;
  /** The same with an activity that does nothing: what remains of a batch's child without our work. */
  readonly withActivity: Children;
  /** All that may be pending asked for at once. */
  readonly emptyAtOnce: Children;
}

type Round = Pick<BatchRun, 'seconds' | 'cpuSeconds'>;

export async function runChildMode(bench: BenchFleet, rounds: number, log: (line: string) => void): Promise<ChildMode> {
  const { context, env, fleet, home } = bench;
  const client = await context.client();
  const worker = fork(fileURLToPath(new URL('./empty-worker.ts', import.meta.url)), [], {
    env: env,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const ended = once(worker, 'exit');
  try {
    await Promise.race([
      once(worker, 'message'),
      ended.then(() => Promise.reject(new Error('the worker of the empty workflows ended'))),
    ]);
    const runEmpty = async (name: string, paced: boolean, active = false): Promise<Round> => {
      const cpu = cpuSeconds(home);
      const startedAt = performance.now();
      await client.workflow.execute('emptyChildren', {
        taskQueue: 'bench-empty',
        workflowId: name,
        args: [name, fleet.sensors, paced, active],
      });
      return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: difference(cpuSeconds(home), cpu) };
    };
    const empty: Round[] = [];
    const withActivity: Round[] = [];
    const emptyAtOnce: Round[] = [];
    const batches: BatchRun[] = [];
    for (let round = 0; round < rounds; round++) {
      empty.push(await runEmpty(`empty-${round}`, true));
      batches.push(await runBatch(bench, `children-${round}`, { sensorsPerChild: 1 }));
      withActivity.push(await runEmpty(`with-activity-${round}`, true, true));
      emptyAtOnce.push(await runEmpty(`empty-at-once-${round}`, false));
      log(
        `  round ${round + 1}: a child per sensor ${batches[round]!.seconds.toFixed(2)} s, empty children ` +
          `${empty[round]!.seconds.toFixed(2)} s, with an activity ${withActivity[round]!.seconds.toFixed(2)} s, ` +
          `all at once ${emptyAtOnce[round]!.seconds.toFixed(2)} s`,
      );
    }
    const summary = (all: readonly Round[]): Children => {
      const { seconds, cpuSeconds: used } = median(all);
      return {
        seconds,
        allSeconds: all.map((one) => one.seconds),
        perSecond: Number((fleet.sensors / seconds).toFixed(1)),
        cpuMilliseconds: Object.fromEntries(
          Object.entries(used).map(([part, cpu]) => [part, Math.round((cpu * 1e4) / fleet.sensors) / 10]),
        ),
      };
    };
    return {
      sensors: fleet.sensors,
      batch: { ...summary(batches), history: median(batches).history },
      empty: summary(empty),
      withActivity: summary(withActivity),
      emptyAtOnce: summary(emptyAtOnce),
    };
  } finally {
    if (worker.connected) worker.disconnect();
    await ended;
  }
}
