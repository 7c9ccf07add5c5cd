/**
 * A laptop stack with a simulated fleet in a folder of its own, and batches of it from the trigger of their
 * schedule to their manifest: what a user gets, with all processes, measured from outside.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import { openContext, type Context } from '../cli/frame/context.ts';
import { loadConfig } from '../config.ts';
import { defined } from '../domain/defined.ts';
import { isoTime, type Period } from '../domain/time.ts';
import type { OutsideTemporal } from '../local/outside-temporal.ts';
import { startStack } from '../local/stack.ts';
import { simulateFleet, type SimulatedFleet } from '../samples/simulate.ts';
import { hasEnded, type Batch } from '../storage/store.ts';
import { createSchedule } from '../connect/schedules.ts';
import type { ScoreBatchRequest } from '../workflows/requests.ts';
import { type ByPart, cpuSeconds, difference, forgetPeaks, peakMiB } from './processes.ts';
import { type ScoringWorkers, scoringWorkers } from './scoring-workers.ts';

export interface BenchFleet {
  readonly home: string;
  readonly context: Context;
  readonly fleet: SimulatedFleet;
  /** Address and environment of the stack. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly simulateSeconds: number;
  /** One process with a thread for each core, until told otherwise. */
  readonly workers: ScoringWorkers;
  stop(): Promise<void>;
}

export const FROM_MS = Date.UTC(2026, 2, 2, 10);
/** The default aggregation interval: the period is as full of windows as it can be. */
export const INTERVAL_MS = 5_000;

/**
 * @param toolsDir where the `temporal` program is kept
 * @param temporal a server that somebody else runs, in the place of a dev server
 */
export async function startFleet(
  sensors: number,
  windows: number,
  toolsDir: string,
  log: (line: string) => void,
  extraEnv: Readonly<Record<string, string>> = {},
  temporal?: OutsideTemporal,
): Promise<BenchFleet> {
  const home = mkdtempSync(join(tmpdir(), 'fleetscore-bench-'));
  const ports = Object.fromEntries(
    ['TEMPORAL', 'UI', 'BLOB', 'EVENT_HUBS'].map((part) => [`FLEETSCORE_${part}_PORT`, 'auto']),
  );
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(FLEETSCORE|TEMPORAL)_/.test(name)),
  );
  const env = { ...clean, FLEETSCORE_HOME: home, FLEETSCORE_TOOLS_DIR: toolsDir, ...ports, ...extraEnv };
  const stack = await startStack({ config: loadConfig(env), env, log, scoringWorkers: 0, ...defined({ temporal }) });
  const context = openContext({ home }, clean);
  const workers = scoringWorkers(home, stack.env);
  const stop = async (): Promise<void> => {
    await workers.stop();
    await context.close();
    await stack.stop();
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await workers.use({ processes: 1 });
    const store = await context.store();
    const startedAt = performance.now();
    const fleet = await simulateFleet({
      store,
      blobs: context.blobs(),
      sensors,
      windows,
      fromMs: FROM_MS,
      intervalMs: INTERVAL_MS,
      nowMs: Date.now(),
    });
    return {
      home,
      context,
      fleet,
      env: stack.env,
      simulateSeconds: (performance.now() - startedAt) / 1000,
      workers,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

export interface BatchRun {
  readonly batch: Batch;
  /** From the trigger of the schedule to the end of the batch, whose manifest was written just before. */
  readonly seconds: number;
  readonly cpuSeconds: ByPart;
  readonly peakMiB: ByPart;
  /** Of the batch and its children, the longest and the largest. */
  readonly history: { readonly workflows: number; readonly events: number; readonly bytes: number };
}

/** Longest time a batch may take. */
const GIVE_UP_MS = 60 * 60_000;

/** Triggers a schedule over the period of the fleet and waits for its batch. */
export async function runBatch(
  { home, context, fleet }: BenchFleet,
  name: string,
  request: ScoreBatchRequest = {},
): Promise<BatchRun> {
  const client = await context.client();
  const store = await context.store();
  await createSchedule(client, name, {
    everyMs: 365 * 86_400_000,
    request: { ...request, ...isoPeriod(fleet) },
    overlap: ScheduleOverlapPolicy.SKIP,
    catchupWindowMs: 60_000,
    paused: true,
  });
  forgetPeaks(home);
  const cpuBefore = cpuSeconds(home);
  const startedAtMs = Date.now();
  await client.schedule.getHandle(name).trigger();
  for (;;) {
    await sleep(50);
    const [batch] = await store.listBatches({ schedule: name, limit: 1 });
    if (batch && hasEnded(batch)) {
      const used = difference(cpuSeconds(home), cpuBefore);
      if (batch.status !== 'completed' || batch.counts.scored !== fleet.sensors)
        throw new Error(`batch ${batch.id} ${batch.status}: ${JSON.stringify(batch.counts)} ${batch.message ?? ''}`);
      return {
        batch,
        seconds: (batch.finishedAtMs! - startedAtMs) / 1000,
        cpuSeconds: used,
        peakMiB: peakMiB(home),
        history: await largestHistory(context, batch),
      };
    }
    if (Date.now() - startedAtMs > GIVE_UP_MS)
      throw new Error(`the batch of ${fleet.sensors} sensors did not end within an hour`);
  }
}

const isoPeriod = ({ fromMs, toMs }: Period): { from: string; to: string } => ({
  from: isoTime(fromMs),
  to: isoTime(toMs),
});

async function largestHistory(context: Context, batch: Batch): Promise<BatchRun['history']> {
  const client = await context.client();
  // The end of the workflow comes after the end of the batch in the store.
  await client.workflow.getHandle(batch.workflowId, batch.runId).result();
  const { raw } = await client.workflow.getHandle(batch.workflowId, batch.runId).describe();
  let events = Number(raw.workflowExecutionInfo?.historyLength ?? 0);
  let bytes = Number(raw.workflowExecutionInfo?.historySizeBytes ?? 0);
  let workflows = 1;
  for await (const child of client.workflow.list({ query: `WorkflowId STARTS_WITH "${batch.id}/"` })) {
    workflows++;
    events = Math.max(events, Number(child.historyLength));
    bytes = Math.max(bytes, Number(child.raw.historySizeBytes ?? 0));
  }
  return { workflows, events, bytes };
}
