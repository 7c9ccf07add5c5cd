/**
 * `npm start`: the main job on the sample plant, from readings to predictions, with every real part. It can
 * be run again and again: it goes on where it was stopped, and what it did twice changes nothing.
 */
import { alarmLines, untilDecided } from '../alarms/told.ts';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import type { EventHubProducerClient } from '@azure/event-hubs';
import pc from 'picocolors';
import type { Alarm } from '../../domain/alarm.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { DAY_MS, HOUR_MS, type Period, plainTime } from '../../domain/time.ts';
import { sendReadings, waitIngested } from '../../ingest/send.ts';
import { readStack } from '../../local/state.ts';
import { formatCount, formatMs, formatNumberOf, type InjectedFault } from '../../report/index.ts';
import { faultsIn } from '../../samples/faults.ts';
import { SAMPLE_FLEET, SAMPLE_MODELS_DIR } from '../../samples/fleet.ts';
import { sampleFeed } from '../../samples/readings.ts';
import { publishModels } from '../../scoring/publish.ts';
import { hasEnded } from '../../storage/store.ts';
import { openProducer } from '../../connect/event-hubs.ts';
import { backfillSchedule } from '../../connect/schedules.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import { openContext, type Context } from '../frame/context.ts';
import { aborted, interruption } from '../frame/interrupt.ts';
import { startBar } from '../batch/progress.ts';
import { ingestSource } from '../ingest/send.ts';
import { collect, storePage, text, writePage, writeSite } from '../batch/report.ts';
import { EVERY_MS, lastBatches, output, SCHEDULE, scoreThrough, STALL_MS } from './demo-backfill.ts';
import { startLocal, type UpOptions } from './stack.ts';
import { say as sayOn, tell } from '../frame/terminal.ts';
import { writeWholeSync } from '../../storage/whole-file.ts';
import { modelSettings } from '../../scoring/settings.ts';

/** Readings go out this often once the past is sent. */
const FEED_MS = 5_000;
/** At the end, for what is under way. */
const PATIENCE_MS = 2_000;

export async function demo(outer: Context, options: UpOptions & { once?: boolean }): Promise<Output | undefined> {
  const started = Date.now();
  const interrupted = interruption();
  const say = outer.json ? tell : sayOn;
  say(
    `${pc.bold('fleetscore')}: the sample plant, ${SAMPLE_FLEET.length} sensors of ${new Set(SAMPLE_FLEET.map((s) => s.device)).size} devices, scored every 15 minutes\n`,
  );
  say('Starting Temporal, Blob storage, Event Hubs (emulator), SQLite and the workers ...');
  const stack = await startLocal(outer, options, (line) => say(pc.dim(line)), interrupted).catch((error: unknown) => {
    // Ctrl-C is the way to end this command, at any time.
    if (error instanceof FleetscoreError && error.code === 'INTERRUPTED') return undefined;
    throw error;
  });
  if (!stack) {
    say(pc.dim('Stopped before all was up. Run it again and it goes on from here.'));
    return undefined;
  }
  const context = openContext({ json: outer.json, home: outer.config.home });
  const ending = new AbortController();
  const work = mainJob(context, say, started, ending.signal).then(async (result) => {
    if (options.once) return result;
    await stayLive(context, result, say, ending.signal);
    return undefined;
  });
  try {
    const result = await Promise.race([work, stack.broken, aborted(interrupted)]);
    return result === undefined
      ? undefined
      : { data: result.data, text: '', ...(result.ok ? {} : { exitCode: EXIT_FAILED }) };
  } finally {
    say('\nStopping ...');
    ending.abort();
    await Promise.race([work.catch(() => {}), sleep(PATIENCE_MS, undefined, { ref: false })]);
    await context.close();
    await stack.stop();
    say(pc.dim('Stopped. Data stay in place: run it again and it goes on from here.'));
  }
}

const quarterBefore = (ms: number): number => Math.floor(ms / EVERY_MS) * EVERY_MS;

const siteFolder = (context: Context): string => join(context.config.home, 'site');

interface JobResult {
  readonly ok: boolean;
  readonly sentThroughMs: number;
  readonly scoredToMs: number;
  readonly data: unknown;
}

async function mainJob(
  context: Context,
  say: (line: string) => void,
  started: number,
  signal: AbortSignal,
): Promise<JobResult> {
  const { ui, app } = readStack(context.config.home) ?? {};
  const seen = ui === undefined ? '' : `; Web UI of Temporal: ${pc.cyan(ui)}`;
  say(`  all up in ${formatMs(Date.now() - started)}${seen}`);
  const isNew = await newPlant(context);

  const nowMs = Date.now();
  // A batch waits until readings are past its last window by the tolerance for disorder. In the first seconds of a
  // quarter of an hour only live readings get there.
  const { outOfOrderMs, windowMs } = context.config.ingest;
  const end = quarterBefore(nowMs - outOfOrderMs - windowMs - FEED_MS);
  const memory = remember(context);
  // A new plant begins with an hour; after a stop a day is caught up with, and `fleetscore gaps` tells of more.
  const furthest = end - (memory.scoredToMs ? DAY_MS : HOUR_MS);
  const missing: Period = { fromMs: Math.max(memory.scoredToMs ?? 0, furthest), toMs: end };
  // Readings come in while models are checked, as in any plant.
  const [published] = await Promise.all([
    isNew ? publishSampleModels(context) : undefined,
    feed(context, { fromMs: Math.max(memory.sentThroughMs ?? 0, missing.fromMs), toMs: nowMs }, signal),
  ]);
  if (published !== undefined) say(published);
  remember(context, { sentThroughMs: nowMs });

  const batches = await scoreThrough(context, missing, say, signal);
  remember(context, { scoredToMs: end });
  const shown = batches.length > 0 ? batches : await lastBatches(context);
  if (shown.length === 0) return { ok: true, sentThroughMs: nowMs, scoredToMs: end, data: { batches: [] } };

  const span = { fromMs: Math.min(...shown.map((b) => b.fromMs)), toMs: Math.max(...shown.map((b) => b.toMs)) };
  const faults = sampleFaults(span);
  const data = await collect(
    context,
    shown.map((batch) => batch.id),
    faults,
  );
  const file = join(context.config.home, 'reports', `${shown[shown.length - 1]!.id}.html`);
  await storePage(context, data, await writePage(file, data));
  const store = await context.store();
  await untilDecided(store, shown, signal);
  const told = await alarmLines(store, shown, Date.now(), (alarm) => faultOf(alarm, faults));
  if (!context.json) say(`\n${text(data, told)}\n`);
  const page = pathToFileURL(file).href;
  say(`${pc.bold('Report:')}  ${pc.cyan(page)}`);
  const site = pathToFileURL(
    (
      await writeSite(
        context,
        siteFolder(context),
        shown.map((batch) => batch.id),
        faults,
      )
    ).file,
  ).href;
  say(`${pc.bold('Site:')}    ${pc.cyan(site)}`);
  say(`${pc.bold('Web UI:')}  ${pc.cyan(`${ui}/namespaces/default/workflows`)}`);
  if (app !== undefined) say(`${pc.bold('Plant:')}   ${pc.cyan(app)}  what is wrong now, devices over time, batches`);
  say(pc.dim(`Done in ${formatMs(Date.now() - started)}.`));
  const failed = shown.filter((batch) => batch.status !== 'completed');
  return {
    ok: failed.length === 0,
    sentThroughMs: nowMs,
    scoredToMs: end,
    data: {
      batches: shown.map((b) => ({ id: b.id, status: b.status, ...b.counts })),
      totals: data.totals,
      alarms: told,
      report: page,
      site,
      ui,
      app: app ?? null,
    },
  };
}

const sampleFaults = ({ fromMs, toMs }: Period): InjectedFault[] =>
  faultsIn(fromMs, toMs).map(({ sensor: { device, sensor }, ...fault }) => ({ device, sensor, ...fault }));

/** What was put into the readings of the sample plant: `level shift` says more than `anomalous`. */
function faultOf({ device, sensor, facts }: Alarm, faults: readonly InjectedFault[]): string | undefined {
  return faults
    .find(
      (one) => one.device === device && one.sensor === sensor && one.fromMs < facts.lastMs && one.toMs > facts.sinceMs,
    )
    ?.kind.replaceAll('-', ' ');
}

/** Sends the readings of the sample fleet, and waits until they are ingested. */
async function feed(context: Context, { fromMs, toMs }: Period, signal: AbortSignal): Promise<void> {
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
async function newPlant(context: Context): Promise<boolean> {
  const store = await context.store();
  if ((await store.currentRelease()) !== undefined) return false;
  // A new store has nothing of what was sent and scored into the one before it.
  remember(context, { sentThroughMs: 0, scoredToMs: 0 });
  await store.registerSensors(SAMPLE_FLEET.map(({ device, sensor, unit }) => ({ device, sensor, unit })));
  return true;
}

async function publishSampleModels(context: Context): Promise<string> {
  const store = await context.store();
  const summary = await publishModels(fileURLToPath(SAMPLE_MODELS_DIR), {
    store,
    blobs: context.blobs(),
    ...modelSettings(context.config.scoring),
    nowMs: Date.now(),
  });
  return `  release ${summary.release}: ${formatNumberOf(summary.models, 'model')} checked and published`;
}

/** Readings keep flowing and the schedule keeps firing until we are stopped. */
async function stayLive(
  context: Context,
  { sentThroughMs, scoredToMs }: JobResult,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const store = await context.store();
  const batches = await store.listBatches({ schedule: SCHEDULE, limit: 1_000 });
  const told = new Set(batches.filter(hasEnded).map((batch) => batch.id));
  // The quarter that had just ended when we started; the schedule is the one to start it when it ended since.
  const latest = quarterBefore(Date.now());
  if (latest > scoredToMs && !batches.some((batch) => batch.toMs === latest))
    await backfillSchedule(
      await context.client(),
      SCHEDULE,
      { fromMs: scoredToMs, toMs: latest },
      ScheduleOverlapPolicy.ALLOW_ALL,
    );
  say(
    `\nReadings keep flowing; the next batch starts at ${plainTime(Math.ceil(Date.now() / EVERY_MS) * EVERY_MS).slice(11)} UTC. ${pc.bold('Ctrl-C stops everything.')}`,
  );
  return withProducer(context, async (producer) => {
    for (let through = sentThroughMs; ;) {
      await sleep(FEED_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const until = Date.now();
      try {
        // After a sleep of the machine only the last hour is made up for.
        await sendReadings(sampleFeed(Math.max(through, until - HOUR_MS), until), { producer, signal });
        if (signal.aborted) return;
        through = until;
        remember(context, { sentThroughMs: through });
        for (const batch of (await store.listBatches({ schedule: SCHEDULE, limit: 20 })).reverse()) {
          if (!hasEnded(batch) || told.has(batch.id)) continue;
          told.add(batch.id);
          const { scored, skipped, failed, windows, anomalies } = batch.counts;
          say(
            `${plainTime(batch.finishedAtMs ?? until).slice(11)}  batch ${batch.id} ${batch.status}: ${scored} scored, ${skipped} skipped, ${failed} failed, ${formatCount(windows)} windows, ${formatCount(anomalies)} anomalous`,
          );
          await untilDecided(store, [batch], signal);
          const faults = sampleFaults(batch);
          for (const line of await alarmLines(store, [batch], Date.now(), (alarm) => faultOf(alarm, faults)))
            say(`  ${line}`);
          say(pc.dim(`  next batch at ${plainTime(Math.ceil(Date.now() / EVERY_MS) * EVERY_MS).slice(11)} UTC`));
          remember(context, { scoredToMs: batch.toMs });
          await writeSite(context, siteFolder(context), [batch.id]);
        }
      } catch (error) {
        if (signal.aborted) return;
        say(pc.yellow(`the live feed has trouble, trying again: ${messageOf(error)}`));
      }
    }
  });
}

async function withProducer<T>(context: Context, work: (producer: EventHubProducerClient) => Promise<T>): Promise<T> {
  const producer = openProducer(context.config);
  try {
    return await work(producer);
  } finally {
    await producer.close();
  }
}

interface Memory {
  /** Readings of the sample plant were sent up to here, epoch ms. */
  readonly sentThroughMs?: number;
  /** The schedule's batches cover the time up to here. */
  readonly scoredToMs?: number;
}

/** What the demo keeps between starts; with `change`, changes it. */
function remember(context: Context, change?: Memory): Memory {
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
