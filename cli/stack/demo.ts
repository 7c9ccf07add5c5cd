/**
 * `npm start`: the main job on the sample plant, from readings to predictions, with every real part. It can
 * be run again and again: it goes on where it was stopped, and what it did twice changes nothing.
 */
import { alarmLines, untilDecided } from '../alarms/told.ts';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import pc from 'picocolors';
import { FleetscoreError } from '../../domain/errors.ts';
import { DAY_MS, HOUR_MS, type Period } from '../../domain/time.ts';
import { readStack } from '../../local/state.ts';
import { formatMs } from '../../report/index.ts';
import { SAMPLE_FLEET } from '../../samples/fleet.ts';
import type { Batch } from '../../storage/store.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import { openContext, type Context } from '../frame/context.ts';
import { aborted, interruption } from '../frame/interrupt.ts';
import { collect, storePage, text, writePage, writeSite } from '../batch/report.ts';
import { lastBatches, quarterBefore, scoreThrough } from './demo-backfill.ts';
import { FEED_MS, stayLive } from './demo-live.ts';
import { faultOf, feed, newPlant, publishSampleModels, remember, sampleFaults, siteFolder } from './demo-plant.ts';
import { startLocal, type UpOptions } from './stack.ts';
import { say as sayOn, tell } from '../frame/terminal.ts';

/** At the end, for what is under way. */
const PATIENCE_MS = 2_000;

export async function demo(outer: Context, options: UpOptions & { once?: boolean }): Promise<Output | undefined> {
  const started = Date.now();
  const interrupted = interruption();
  const say = outer.json ? tell : sayOn;
  const devices = new Set(SAMPLE_FLEET.map((s) => s.device)).size;
  const plant = `the sample plant, ${SAMPLE_FLEET.length} sensors of ${devices} devices`;
  say(`${pc.bold('fleetscore')}: ${plant}, scored every 15 minutes\n`);
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
  const { ui } = readStack(context.config.home) ?? {};
  const seen = ui === undefined ? '' : `; Web UI of Temporal: ${pc.cyan(ui)}`;
  say(`  all up in ${formatMs(Date.now() - started)}${seen}`);
  const isNew = await newPlant(context);

  const nowMs = Date.now();
  const missing = missingPeriod(context, nowMs);
  // Readings come in while models are checked, as in any plant.
  const from = Math.max(remember(context).sentThroughMs ?? 0, missing.fromMs);
  const [published] = await Promise.all([
    isNew ? publishSampleModels(context) : undefined,
    feed(context, { fromMs: from, toMs: nowMs }, signal),
  ]);
  if (published !== undefined) say(published);
  remember(context, { sentThroughMs: nowMs });

  const batches = await scoreThrough(context, missing, say, signal);
  remember(context, { scoredToMs: missing.toMs });
  const shown = batches.length > 0 ? batches : await lastBatches(context);
  const data = shown.length === 0 ? { batches: [] } : await showBatches(context, shown, say, signal);
  if (shown.length > 0) say(pc.dim(`Done in ${formatMs(Date.now() - started)}.`));
  return {
    ok: shown.every((batch) => batch.status === 'completed'),
    sentThroughMs: nowMs,
    scoredToMs: missing.toMs,
    data,
  };
}

/** What is to be scored: an hour of a new plant; after a stop at most a day, and `fleetscore gaps` tells of more. */
function missingPeriod(context: Context, nowMs: number): Period {
  // A batch waits until readings are past its last window by the tolerance for disorder. In the first seconds of a
  // quarter of an hour only live readings get there.
  const { outOfOrderMs, windowMs } = context.config.ingest;
  const toMs = quarterBefore(nowMs - outOfOrderMs - windowMs - FEED_MS);
  const { scoredToMs = 0 } = remember(context);
  return { fromMs: Math.max(scoredToMs, toMs - (scoredToMs > 0 ? DAY_MS : HOUR_MS)), toMs };
}

/** The report of batches in the terminal, as a page and as a site; and where to look further. */
async function showBatches(
  context: Context,
  shown: readonly Batch[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<object> {
  const { home } = context.config;
  const { ui, app } = readStack(home) ?? {};
  const ids = shown.map((batch) => batch.id);
  const span = { fromMs: Math.min(...shown.map((b) => b.fromMs)), toMs: Math.max(...shown.map((b) => b.toMs)) };
  const faults = sampleFaults(span);
  const data = await collect(context, ids, faults);
  const file = join(home, 'reports', `${ids.at(-1)!}.html`);
  await storePage(context, data, await writePage(file, data));
  const store = await context.store();
  await untilDecided(store, shown, signal);
  const told = await alarmLines(store, shown, Date.now(), (alarm) => faultOf(alarm, faults));
  if (!context.json) say(`\n${text(data, told)}\n`);
  const report = pathToFileURL(file).href;
  say(`${pc.bold('Report:')}  ${pc.cyan(report)}`);
  const site = pathToFileURL((await writeSite(context, siteFolder(context), ids, faults)).file).href;
  say(`${pc.bold('Site:')}    ${pc.cyan(site)}`);
  const webUi = context.uiLink();
  if (webUi !== undefined) say(`${pc.bold('Web UI:')}  ${pc.cyan(webUi)}`);
  if (app !== undefined) say(`${pc.bold('Plant:')}   ${pc.cyan(app)}  what is wrong now, devices over time, batches`);
  return {
    batches: shown.map((b) => ({ id: b.id, status: b.status, ...b.counts })),
    totals: data.totals,
    alarms: told,
    report,
    site,
    ui,
    app: app ?? null,
  };
}
