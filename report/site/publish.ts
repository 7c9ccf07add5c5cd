/**
 * Writes the site: the pages of a batch, then the pages of the fleet. What a batch costs here is bounded
 * whatever the size of the fleet: so many sensors, so many rows of predictions, so much time. The summary of a
 * batch comes after its pages and is what the fleet's pages go by, so nothing links to half of a batch.
 */
import { FleetscoreError } from '../../domain/errors.ts';
import type { Prediction } from '../../domain/prediction.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { endingWith } from '../../storage/deadline.ts';
import { hasEnded, type Batch, type Store } from '../../storage/store.ts';
import { challengeOf } from '../../verify/compare-releases.ts';
import { groupByDevice, type InjectedFault } from '../collect/batch-data.ts';
import { collectBatchData } from '../collect/collect.ts';
import { matchFaults } from '../collect/faults.ts';
import { costPage } from './batch-cost-page.ts';
import { failuresPage } from './batch-failures-page.ts';
import type { BatchPages } from './batch-frame.ts';
import { overviewPage } from './batch-overview-page.ts';
import { healthPage } from './batch-health-page.ts';
import type { PriceSource } from '../../pool/prices.ts';
import { collectCost } from './cost-data.ts';
import { devicePage } from './device-page.ts';
import { mainLine, type ListedBatch } from './fleet-frame.ts';
import { fleetPage } from './fleet-page.ts';
import { fleetCostPage } from './fleet-cost-page.ts';
import { collectHealth } from './health-data.ts';
import { ASSETS, batchPath, deviceFile } from './paths.ts';
import { readSummary, summarize, summaryPath, type BatchSummary } from './summary.ts';
import type { SiteTarget } from './target.ts';
import { defined } from '../../domain/defined.ts';

export interface SiteSource {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly decodePredictions: (bytes: Uint8Array) => Iterable<Prediction> | Promise<Iterable<Prediction>>;
  readonly now: () => number;
  /** Absent: cost is told as time of nodes. */
  readonly prices?: PriceSource;
}

export interface SiteOptions {
  /** Most sensors with a chart, those that need attention first. */
  readonly maxSensors: number;
  /** Known faults, to mark in the charts. */
  readonly faults?: readonly InjectedFault[];
  /** Given up after this time, ms. @default 60 s */
  readonly giveUpMs?: number;
}

/** Most rows of predictions read, and of outcomes for the health of models: about a second each. */
const MOST_ROWS = 500_000;
const MOST_OUTCOMES = 300_000;
/** Sensors of a challenger's table. */
const MOST_DIFFERENCES = 50;
/** Batches of the fleet's pages, and how many of the newest are looked at for pages. */
const SHOWN_BATCHES = 24;
const LOOKED_AT = 48;
const PAGES_AT_ONCE = 16;
const HTML = 'text/html; charset=utf-8';

export interface Published {
  readonly pages: number;
}

/**
 * The pages of closed batches, and of the fleet.
 * @throws FleetscoreError `BATCH_UNKNOWN`, `BATCH_RUNNING`, `SITE_TOO_SLOW`, and what store, Blob and target throw
 */
export async function publishSite(
  source: SiteSource,
  target: SiteTarget,
  batchIds: readonly string[],
  options: SiteOptions,
): Promise<Published> {
  const giveUpMs = options.giveUpMs ?? 60_000;
  // A person who writes a folder has no limit, and a timer takes none.
  const limit = Number.isFinite(giveUpMs) ? AbortSignal.timeout(giveUpMs) : new AbortController().signal;
  try {
    // Between two pages the clock is looked at; a call that is under way ends with the limit.
    return await endingWith(limit, () => publishAll(source, target, batchIds, options, source.now() + giveUpMs));
  } catch (error) {
    if (!limit.aborted || error instanceof FleetscoreError) throw error;
    throw new FleetscoreError(
      'SITE_TOO_SLOW',
      `the pages of ${batchIds.join(', ')} were not written in ${giveUpMs / 1000} s: Blob storage or the ` +
        `store answers too slowly. \`fleetscore report --site\` writes them when it is well.`,
      { cause: error },
    );
  }
}

async function publishAll(
  source: SiteSource,
  target: SiteTarget,
  batchIds: readonly string[],
  options: SiteOptions,
  deadline: number,
): Promise<Published> {
  for (const asset of [ASSETS.style, ASSETS.script])
    if ((await target.get(asset.path)) !== asset.body) await target.put(asset.path, asset.body, asset.contentType);
  let pages = 0;
  for (const id of batchIds)
    pages += await publishBatch(source, target, await closedBatch(source.store, id), options, deadline);
  return { pages: pages + (await publishFleet(source, target)) };
}

async function closedBatch(store: Store, id: string): Promise<Batch> {
  const batch = await store.findBatch(id);
  if (!batch)
    throw new FleetscoreError(
      'BATCH_UNKNOWN',
      `there is no batch ${JSON.stringify(id)}. \`fleetscore batch list\` lists them.`,
    );
  if (!hasEnded(batch))
    throw new FleetscoreError('BATCH_RUNNING', `batch ${id} still runs: it gets its pages when it has ended.`);
  return batch;
}

async function publishBatch(
  source: SiteSource,
  target: SiteTarget,
  batch: Batch,
  options: SiteOptions,
  deadline: number,
): Promise<number> {
  const { store, blobs, decodePredictions } = source;
  const latest = await store.listBatches({ limit: LOOKED_AT });
  const data = await collectBatchData({
    store,
    blobs,
    decodePredictions,
    batchIds: [batch.id],
    maxSensors: options.maxSensors,
    maxWindows: Number.POSITIVE_INFINITY,
    maxRows: MOST_ROWS,
    ...(options.faults ? { faults: options.faults } : {}),
  });
  const around = latest.some(({ id }) => id === batch.id) ? latest : [batch];
  const cost = await collectCost(blobs, around, source.now(), source.prices);
  const health = await collectHealth(store, batch, { maxSensors: options.maxSensors, mostRows: MOST_OUTCOMES });
  const challenge = await challengeOf(store, batch.id, MOST_DIFFERENCES);
  const before = await batchBefore(target, batch, latest);
  const pages: BatchPages = {
    batch,
    data,
    health,
    ...(challenge ? { challenge } : {}),
    ...(cost ? { cost } : {}),
    ...(before ? { before } : {}),
  };

  const path = batchPath(batch);
  const groups = groupByDevice(data.sensors);
  const faults = Map.groupBy(
    options.faults ? matchFaults(options.faults, data.sensors, data).faults : [],
    (fault) => fault.device,
  );
  const files: (() => [path: string, body: string])[] = [
    ...groups.map((group, i) => (): [string, string] => {
      const [previous, next] = [groups[i - 1]?.device, groups[i + 1]?.device];
      const place = {
        group,
        ...defined({ before: previous, after: next }),
      };
      return [`${path}devices/${deviceFile(group.device)}`, devicePage(pages, place, faults.get(group.device) ?? [])];
    }),
    () => [`${path}failures.html`, failuresPage(pages)],
    () => [`${path}health.html`, healthPage(pages)],
    () => [`${path}cost.html`, costPage(pages)],
    () => [`${path}index.html`, overviewPage(pages)],
  ];
  let at = 0;
  const write = async (): Promise<void> => {
    while (at < files.length) {
      if (source.now() > deadline)
        throw new FleetscoreError(
          'SITE_TOO_SLOW',
          `the pages of batch ${batch.id} took too long: ${at} of ${files.length} are written. ` +
            `Lower FLEETSCORE_SITE_SENSORS (${options.maxSensors}).`,
        );
      const [name, body] = files[at++]!();
      await target.put(name, body, HTML);
    }
  };
  await Promise.all(Array.from({ length: PAGES_AT_ONCE }, write));
  await target.put(summaryPath(batch), JSON.stringify(summarize(batch, data)), 'application/json');
  return files.length;
}

/** The newest earlier batch of the same line that has pages here. */
async function batchBefore(target: SiteTarget, batch: Batch, latest: readonly Batch[]): Promise<BatchPages['before']> {
  const earlier = latest
    .filter(
      (one) =>
        one.kind === 'score' &&
        hasEnded(one) &&
        one.toMs <= batch.fromMs &&
        one.schedule === batch.schedule &&
        one.toMs - one.fromMs === batch.toMs - batch.fromMs,
    )
    .sort((a, b) => b.toMs - a.toMs || b.startedAtMs - a.startedAtMs)[0];
  const summary = earlier && (await summaryOf(target, earlier));
  return (
    earlier &&
    summary && {
      id: earlier.id,
      path: batchPath(earlier),
      devices: new Set(summary.devices.map((device) => device.name)),
    }
  );
}

async function summaryOf(target: SiteTarget, batch: Batch): Promise<BatchSummary | undefined> {
  const text = await target.get(summaryPath(batch));
  return text === undefined ? undefined : readSummary(text, batch.id);
}

/** Batches may end at the same moment: who wrote last looks again, so that the last page has them all. */
async function publishFleet({ store, blobs, now, prices }: SiteSource, target: SiteTarget): Promise<number> {
  const known = new Map<string, BatchSummary>();
  for (let tries = 0, shown = ''; tries < 5; tries++) {
    const batches = await listedBatches(store, target, known);
    const seen = batches.map(({ batch }) => batch.id).join();
    if (batches.length === 0 || seen === shown) break;
    shown = seen;
    const cost = await collectCost(blobs, await store.listBatches({ limit: LOOKED_AT }), now(), prices);
    const pages = { batches, ...(cost ? { cost } : {}) };
    await target.put('cost.html', fleetCostPage(pages), HTML);
    await target.put('index.html', fleetPage(pages), HTML);
  }
  return 2;
}

/**
 * The newest batches with pages, looking up what is not yet `known`: of the main line as many as are shown, others as
 * far as there is room.
 */
async function listedBatches(
  store: Store,
  target: SiteTarget,
  known: Map<string, BatchSummary>,
): Promise<ListedBatch[]> {
  const closed = (await store.listBatches({ limit: LOOKED_AT })).filter(hasEnded);
  const found = await Promise.all(
    closed.map(async (batch): Promise<ListedBatch[]> => {
      const summary = known.get(batch.id) ?? (await summaryOf(target, batch));
      if (!summary) return [];
      known.set(batch.id, summary);
      return [{ batch, summary }];
    }),
  );
  const listed = found
    .flat()
    .sort(
      (a, b) =>
        a.batch.fromMs - b.batch.fromMs ||
        a.batch.startedAtMs - b.batch.startedAtMs ||
        (a.batch.id < b.batch.id ? -1 : 1),
    );
  const line = new Set(mainLine(listed).slice(-SHOWN_BATCHES));
  const others = new Set(listed.filter((one) => !line.has(one)).slice(-SHOWN_BATCHES));
  return listed.filter((one) => line.has(one) || others.has(one));
}
