/**
 * `npm run bench -- --chunks`: scoring activities in this process, without workflows: what a chunk costs from reading
 * its sensors to its outcomes. CPU of all threads of this process; the Blob server is another one. Cheap enough to look
 * at one change, and to profile: `node --cpu-prof bench/main.ts --chunks`.
 *
 *   npm run bench -- --chunks [--sensors 50000] [--windows 15] [--chunk 2000] [--rounds 5] [--tds]
 *
 * `--tds`: over the driver of SQL Server and TLS, against the responder of the tests. It says what the client side of
 * a SQL Server store costs, and nothing of SQL Server itself.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createScoringActivities } from '../activities/scoring.ts';
import { createBudget } from '../scoring/concurrency.ts';
import { createScoringEngine } from '../scoring/engine.ts';
import { simulateFleet } from '../samples/simulate.ts';
import { openStore } from '../storage/open-store.ts';
import type { Store } from '../storage/store.ts';
import type { ScoringActivities } from '../workflows/activities.ts';
import { startBlobServer } from '../test/support/own-blob-server.ts';
import { FROM_MS, INTERVAL_MS } from './fleet.ts';
import { load } from './machine.ts';

/** Chunks at once, as a worker with two cores takes them. */
const AT_ONCE = 4;

interface Sizes {
  readonly sensors: number;
  readonly windows: number;
  readonly chunk: number;
  readonly rounds: number;
  readonly tds: boolean;
}

export async function benchChunks(args: readonly string[]): Promise<void> {
  const sizes = sizesOf(args);
  const { sensors, windows } = sizes;
  const dir = mkdtempSync(join(tmpdir(), 'fleetscore-chunks-'));
  const server = await startBlobServer(dir);
  try {
    const { blobs } = server;
    const file = join(dir, 'fleet.db');
    const store = await openStore(sizes.tds ? await responder(file) : `sqlite:${file}`);
    await store.migrate();
    const fleet = { store, blobs, sensors, windows, fromMs: FROM_MS, intervalMs: INTERVAL_MS, nowMs: Date.now() };
    const { release } = await simulateFleet(fleet);
    const engine = await createScoringEngine({ blobs, cacheDir: join(dir, 'cache') });
    const warn = (message: string): void => void process.stderr.write(`${message}\n`);
    const deps = { store, blobs, engine, hopMs: INTERVAL_MS, worker: 'bench', format: 'csv', warn } as const;
    const activities = createScoringActivities({ ...deps, budget: createBudget(2_000_000) });
    const found: number[] = [];
    // The first one compiles code and loads packs.
    for (let round = 0; round <= sizes.rounds; round++) {
      const us = await runBatch(store, activities, `round-${round}`, release, sizes);
      if (round > 0) found.push(us);
    }
    found.sort((a, b) => a - b);
    const [least, median] = [found[0]!, found[found.length >> 1]!];
    const memory = Math.round(process.resourceUsage().maxRSS / 1024);
    process.stdout.write(
      `${sensors} sensors x ${windows} windows${sizes.tds ? ', TDS' : ''}, load ${load()}: ` +
        `${least.toFixed(1)} us of CPU a sensor at the least, ` +
        `${median.toFixed(1)} in the median of ${sizes.rounds}; peak ${memory} MiB\n`,
    );
    await engine.close();
    await store.close();
  } finally {
    responding?.disconnect();
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

let responding: ReturnType<typeof fork> | undefined;

/** Its connection string. */
async function responder(file: string): Promise<string> {
  responding = fork(new URL('./tds-responder.ts', import.meta.url), [file]);
  const [url] = (await once(responding, 'message')) as [string];
  return url;
}

function sizesOf(args: readonly string[]): Sizes {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      chunks: { type: 'boolean' },
      tds: { type: 'boolean', default: false },
      sensors: { ...text, default: '50000' },
      windows: { ...text, default: '15' },
      chunk: { ...text, default: '2000' },
      rounds: { ...text, default: '5' },
    },
  });
  const whole = (flag: 'sensors' | 'windows' | 'chunk' | 'rounds'): number => {
    const value = Number(values[flag]);
    if (Number.isInteger(value) && value >= 1) return value;
    throw new Error(`--${flag} takes whole numbers from 1, not ${JSON.stringify(values[flag])}`);
  };
  const [sensors, windows] = [whole('sensors'), whole('windows')];
  return { sensors, windows, chunk: whole('chunk'), rounds: whole('rounds'), tds: values.tds };
}

/** CPU a sensor, microseconds. */
async function runBatch(
  store: Store,
  { scoreChunk }: ScoringActivities,
  id: string,
  release: string,
  { sensors, windows, chunk }: Sizes,
): Promise<number> {
  const period = { fromMs: FROM_MS, toMs: FROM_MS + windows * INTERVAL_MS };
  const record = { id, workflowId: id, runId: id, kind: 'score', release, codeVersion: '1' } as const;
  await store.createBatch({ ...record, startedAtMs: Date.now(), ...period });
  const ranges = await store.planRanges(id, chunk);
  const environment = new MockActivityEnvironment();
  const before = process.cpuUsage();
  let next = 0;
  const take = async (): Promise<void> => {
    while (next < ranges.length) await environment.run(scoreChunk, { batchId: id, ...period, range: ranges[next++]! });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, take));
  const { user, system } = process.cpuUsage(before);
  const { counts } = (await store.findBatch(id))!;
  if (counts.scored !== sensors) throw new Error(`${counts.scored} of ${sensors} sensors were scored`);
  return (user + system) / sensors;
}
