/**
 * The scoring workers of a benchmark, started and stopped by it, so that their number and threads can change
 * within one run over one fleet.
 */
import { join } from 'node:path';
import { FEW_HEAPS, leanOf, startChild, untilReady } from '../local/child.ts';
import { codeFile } from '../paths.ts';

export interface WorkerShape {
  readonly processes: number;
  /** Scoring threads of each; one per core when left out, as for a user. */
  readonly threads?: number;
}

export interface ScoringWorkers {
  /** Replaces those there are, and waits until the new ones are ready. */
  use(shape: WorkerShape): Promise<void>;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;

export function scoringWorkers(home: string, env: Readonly<Record<string, string | undefined>>): ScoringWorkers {
  let running: ReturnType<typeof startChild>[] = [];
  const stop = async (): Promise<void> => {
    const ending = running;
    running = [];
    await Promise.all(ending.map((worker) => worker.stop()));
  };
  return {
    async use({ processes, threads }) {
      await stop();
      // Two chunks more than threads, as by default: one is read and one written while each thread scores.
      const settings =
        threads === undefined
          ? {}
          : { FLEETSCORE_SCORING_THREADS: String(threads), FLEETSCORE_SCORING_CONCURRENCY: String(threads + 2) };
      running = Array.from({ length: processes }, () =>
        startChild({
          name: 'scoring worker',
          file: codeFile('workers/scoring'),
          env: { ...FEW_HEAPS, ...env, ...settings },
          nodeArgs: leanOf('scoring'),
          logFile: join(home, 'logs', 'scoring.log'),
        }),
      );
      await Promise.all(running.map((worker) => untilReady(worker, START_TIMEOUT_MS)));
    },
    stop,
  };
}
