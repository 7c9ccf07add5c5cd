/** `fleetscore report`: the picture of batches, for the terminal, as a page, and as a site in a folder. */
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { predictionsFolder, CONTAINERS, reportBlob } from '../../domain/blob-names.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import {
  collectBatchData,
  folderTarget,
  formatCount,
  formatNumberOf,
  publishSite,
  renderBatch,
  renderReport,
  terminalOptions,
  type BatchData,
  type InjectedFault,
} from '../../report/index.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { knownBatch } from '../frame/known.ts';
import { hasEnded } from '../../storage/store.ts';
import { fileProblem, makeFolder } from '../../storage/folders.ts';
import { writeWhole } from '../../storage/whole-file.ts';
import { defined } from '../../domain/defined.ts';
import { priceSourceOf } from '../../pool/prices.ts';

/** Batches written when none is named. */
const NEWEST = 24;

async function site(context: Context, folder: string, ids: readonly string[]): Promise<Output> {
  const store = await context.store();
  const batches =
    ids.length > 0
      ? ids
      : (await store.listBatches({ limit: NEWEST }))
          .filter(hasEnded)
          .reverse()
          .map((batch) => batch.id);
  if (batches.length === 0)
    throw new FleetscoreError('BATCH_UNKNOWN', 'there is no batch yet. `fleetscore batch run` makes one.');
  const { file, pages } = await writeSite(context, folder, batches);
  return {
    data: { folder, file, batches, pages },
    text: `${formatCount(pages)} pages of ${formatNumberOf(batches.length, 'batch', 'batches')}: ${pathToFileURL(file).href}`,
  };
}

/**
 * Writes the pages of batches, and of the fleet, to a folder that opens from the disk or that any web server can serve.
 */
export async function writeSite(
  context: Context,
  folder: string,
  batchIds: readonly string[],
  faults?: readonly InjectedFault[],
): Promise<{ readonly file: string; readonly pages: number }> {
  const source = {
    store: await context.store(),
    blobs: context.blobs(),
    decodePredictions,
    now: Date.now,
    ...defined({ prices: priceSourceOf(context.config.pool) }),
  };
  const { pages } = await publishSite(source, folderTarget(folder), batchIds, {
    maxSensors: context.config.site.maxSensors,
    giveUpMs: Number.POSITIVE_INFINITY,
    ...(faults ? { faults } : {}),
  });
  return { file: join(folder, 'index.html'), pages };
}

export async function collect(
  context: Context,
  batchIds: readonly string[],
  faults?: readonly InjectedFault[],
): Promise<BatchData> {
  return collectBatchData({
    store: await context.store(),
    blobs: context.blobs(),
    batchIds,
    decodePredictions,
    ...(faults ? { faults } : {}),
  });
}

/** @param alarms in words, where they were decided on: they take the place of the list of sensors */
export function text(data: BatchData, alarms?: readonly string[]): string {
  return renderBatch(data, {
    ...terminalOptions(process.stdout, process.env),
    onlyWrong: true,
    ...(alarms ? { alarms } : {}),
  });
}

/** Writes the page to a file, whole or not at all. */
export async function writePage(file: string, data: BatchData): Promise<string> {
  const page = renderReport(data);
  makeFolder(dirname(file));
  try {
    await writeWhole(file, page);
  } catch (error) {
    throw fileProblem(
      file,
      error,
      (why) => `the report cannot be written to ${file}: ${why}. Choose another place with --out.`,
    );
  }
  return page;
}

/** Keeps the page beside the predictions of the newest of its batches. */
export async function storePage(context: Context, data: BatchData, page: string): Promise<void> {
  const newest = data.batches[data.batches.length - 1];
  if (!newest) return;
  await context
    .blobs()
    .put(
      CONTAINERS.predictions,
      reportBlob(predictionsFolder(newest.fromMs, newest.id)),
      Buffer.from(page),
      'text/html; charset=utf-8',
    );
}

export async function report(
  context: Context,
  options: { readonly out?: string; readonly site?: string },
  ids: readonly string[],
): Promise<Output> {
  if (options.site !== undefined) {
    if (options.out !== undefined)
      throw new FleetscoreError(
        'INVALID_ARGUMENT',
        'give either --out for one page, or --site for a folder of pages, not both.',
      );
    return site(context, resolve(options.site), ids);
  }
  if (ids.length === 0)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      'no batch is named. Give the id of at least one; `fleetscore batch list` lists them.',
    );
  for (const id of ids) await knownBatch(context, id);
  const data = await collect(context, ids);
  const file = resolve(options.out ?? join(context.config.home, 'reports', `${ids[ids.length - 1]!}.html`));
  await writePage(file, data);
  return {
    data: { file, batches: ids, totals: data.totals },
    text: `${text(data)}\n\nReport: ${pathToFileURL(file).href}`,
  };
}
