/** A child workflow per sensor beside an empty child workflow per sensor, on the same server. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { median } from './end-to-end.ts';
import { type BenchFleet, runBatch } from './fleet.ts';
import { type ByPart, cpuSeconds, difference } from './processes.ts';

export interface ChildMode {
  readonly sensors: number;
  readonly seconds: number;
  readonly allSeconds: readonly number[];
  readonly childrenPerSecond: number;
  readonly emptySeconds: number;
  readonly allEmptySeconds: readonly number[];
  readonly emptyChildrenPerSecond: number;
  /** Milliseconds of CPU of a child, by process. */
  readonly cpuMilliseconds: ByPart;
  readonly emptyCpuMilliseconds: ByPart;
  /** Our rate / the empty children's. */
  readonly share: number;
  readonly history: { readonly workflows: number; readonly events: number; readonly bytes: number };
}

export async function runChildMode(bench: BenchFleet, rounds: number, log: (line: string) => void): Promise<ChildMode> {
  const { context, env, fleet, home } = bench;
  const client = await context.client();
  const worker = fork(fileURLToPath(new URL('./empty-worker.ts', import.meta.url)), [], { env: env as NodeJS.ProcessEnv, execArgv: ['--disable-warning=ExperimentalWarning'] });
  const ended = once(worker, 'exit');
  try {
    await Promise.race([once(worker, 'message'), ended.then(() => Promise.reject(new Error('the worker of the empty workflows ended')))]);
    const empty: { readonly seconds: number; readonly cpuSeconds: ByPart }[] = [];
    const ours = [];
    for (let round = 0; round < rounds; round++) {
      const cpu = cpuSeconds(home);
      const startedAt = performance.now();
      await client.workflow.execute('emptyChildren', { taskQueue: 'bench-empty', workflowId: `empty-${round}`, args: [fleet.sensors] });
      empty.push({ seconds: (performance.now() - startedAt) / 1000, cpuSeconds: difference(cpuSeconds(home), cpu) });
      const run = await runBatch(bench, `children-${round}`, { sensorsPerChild: 1 });
      ours.push(run);
      log(`  round ${round + 1}: a child per sensor ${run.seconds.toFixed(2)} s, empty children ${empty[round]!.seconds.toFixed(2)} s`);
    }
    const [run, nothing] = [median(ours), median(empty)];
    const each = (used: ByPart): ByPart => Object.fromEntries(Object.entries(used).map(([part, seconds]) => [part, Math.round((seconds * 1e4) / fleet.sensors) / 10]));
    return {
      sensors: fleet.sensors, seconds: run.seconds, allSeconds: ours.map((r) => r.seconds), childrenPerSecond: Number((fleet.sensors / run.seconds).toFixed(1)),
      emptySeconds: nothing.seconds, allEmptySeconds: empty.map((r) => r.seconds), emptyChildrenPerSecond: Number((fleet.sensors / nothing.seconds).toFixed(1)),
      cpuMilliseconds: each(run.cpuSeconds), emptyCpuMilliseconds: each(nothing.cpuSeconds),
      share: Number((nothing.seconds / run.seconds).toFixed(2)), history: run.history,
    };
  } finally {
    if (worker.connected) worker.disconnect();
    await ended;
  }
}
