/** The sample plant of `npm start`: its readings and faults, its models, and what is kept of it between starts. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EventHubProducerClient } from '@azure/event-hubs';
import { openProducer } from '../../connect/event-hubs.ts';
import type { Alarm } from '../../domain/alarm.ts';
import type { Period } from '../../domain/time.ts';
import { sendReadings, waitIngested } from '../../ingest/send.ts';
import { formatNumberOf, type InjectedFault } from '../../report/index.ts';
import { faultsIn } from '../../samples/faults.ts';
import { SAMPLE_FLEET, SAMPLE_MODELS_DIR } from '../../samples/fleet.ts';
import { sampleFeed } from '../../samples/readings.ts';
import { publishModels } from '../../scoring/publish.ts';
import { modelSettings } from '../../scoring/settings.ts';
import { writeWholeSync } from '../../storage/whole-file.ts';
import { startBar } from '../batch/progress.ts';
import type { Context } from '../frame/context.ts';
import { ingestSource } from '../ingest/send.ts';
import { output, STALL_MS } from './demo-backfill.ts';

export const sampleFaults = ({ fromMs, toMs }: Period): InjectedFault[] =>
  faultsIn(fromMs, toMs).map(({ sensor: { device, sensor }, ...fault }) => ({ device, sensor, ...fault }));

/** What was put into the readings of the sample plant: `level shift` says more than `anomalous`. */
export function faultOf({ device, sensor, facts }: Alarm, faults: readonly InjectedFault[]): string | undefined {
  return faults
    .find(
      (one) => one.device === device && one.sensor === sensor && one.fromMs < facts.lastMs && one.toMs > facts.sinceMs,
    )
    ?.kind.replaceAll('-', ' ');
}

/** Sends the readings of the sample fleet, and waits until they are ingested. */
export async function feed(context: Context, { fromMs, toMs }: Period, signal: AbortSignal): Promise<void> {
  const store = await context.store();
  await withProducer(context, async (producer) => {
    const readings = sampleFeed(fromMs, toMs);
    const bar = startBar('sending readings', 'readings', output(context));
    const sent = await sendReadings(readings, {
      producer,
      signal,
      onProgress: (progress) => bar.set(progress.sent, readings.length),
    });
    bar.set(sent.sent, readings.length);
    bar.end();
    await waitIngested({
      store,
      source: ingestSource(context, producer),
      lastSequenceNumbers: sent.lastSequenceNumbers,
      stallMs: STALL_MS,
      signal,
    });
    signal.throwIfAborted();
  });
}

/** @returns true for a plant that has no release yet */
export async function newPlant(context: Context): Promise<boolean> {
  const store = await context.store();
  if ((await store.currentRelease()) !== undefined) return false;
  // A new store has nothing of what was sent and scored into the one before it.
  remember(context, { sentThroughMs: 0, scoredToMs: 0 });
  await store.registerSensors(SAMPLE_FLEET.map(({ device, sensor, unit }) => ({ device, sensor, unit })));
  return true;
}

export async function publishSampleModels(context: Context): Promise<string> {
  const store = await context.store();
  const summary = await publishModels(fileURLToPath(SAMPLE_MODELS_DIR), {
    store,
    blobs: context.blobs(),
    ...modelSettings(context.config.scoring),
    nowMs: Date.now(),
  });
  return `  release ${summary.release}: ${formatNumberOf(summary.models, 'model')} checked and published`;
}

export async function withProducer<T>(
  context: Context,
  work: (producer: EventHubProducerClient) => Promise<T>,
): Promise<T> {
  const producer = openProducer(context.config);
  try {
    return await work(producer);
  } finally {
    await producer.close();
  }
}

export interface Memory {
  /** Readings of the sample plant were sent up to here, epoch ms. */
  readonly sentThroughMs?: number;
  /** The schedule's batches cover the time up to here. */
  readonly scoredToMs?: number;
}

/** What the demo keeps between starts; with `change`, changes it. */
export function remember(context: Context, change?: Memory): Memory {
  const file = join(context.config.home, 'demo.json');
  let memory: Memory = {};
  try {
    memory = JSON.parse(readFileSync(file, 'utf8')) as Memory;
  } catch {
    // The first start.
  }
  if (!change) return memory;
  mkdirSync(context.config.home, { recursive: true });
  const next = { ...memory, ...change };
  writeWholeSync(file, JSON.stringify(next));
  return next;
}

/** Where the site of the plant is written. */
export const siteFolder = (context: Context): string => join(context.config.home, 'site');
