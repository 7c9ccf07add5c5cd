/** `fleetscore report BATCH`: the picture of one or several batches, for the terminal and as a page. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { batchFolder, CONTAINERS, reportBlob } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { collectBatchData, renderBatch, renderReport, terminalOptions, type BatchData, type InjectedFault } from '../report/index.ts';
import { decodePredictions } from '../scoring/predictions-file.ts';
import { action, type Output } from './command.ts';
import type { Context } from './context.ts';

export function registerReport(program: Command): void {
  program
    .command('report')
    .description('draw batches: a table here, and an HTML page with charts that works offline')
    .argument('<batch...>', 'ids of batches; several are shown together')
    .option('--out <file>', 'where the page goes (default: reports/<batch>.html in the home folder)')
    .action(action<[string[]], { out?: string }>(async (context, options, ids) => {
      const data = await collect(context, ids);
      const file = resolve(options.out ?? join(context.config.home, 'reports', `${ids[ids.length - 1]!}.html`));
      await writePage(file, data);
      return { data: { file, batches: ids, totals: data.totals }, text: `${text(data)}\n\nReport: ${pathToFileURL(file).href}` } satisfies Output;
    }));
}

export async function collect(context: Context, batchIds: readonly string[], faults?: readonly InjectedFault[]): Promise<BatchData> {
  return collectBatchData({ store: await context.store(), blobs: context.blobs(), batchIds, decodePredictions, ...(faults ? { faults } : {}) });
}

export function text(data: BatchData): string {
  return renderBatch(data, terminalOptions(process.stdout, process.env));
}

/** Writes the page to a file, whole or not at all. */
export async function writePage(file: string, data: BatchData): Promise<string> {
  const page = renderReport(data);
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.new`, page);
    await rename(`${file}.new`, file);
  } catch (error) {
    throw new FleetscoreError('FILE_UNWRITABLE', `the report cannot be written to ${file}: ${(error as Error).message}. Choose another place with --out.`, { cause: error });
  }
  return page;
}

/** Keeps the page beside the predictions of the newest of its batches. */
export async function storePage(context: Context, data: BatchData, page: string): Promise<void> {
  const newest = data.batches[data.batches.length - 1];
  if (!newest) return;
  await context.blobs().put(CONTAINERS.predictions, reportBlob(batchFolder(newest.fromMs, newest.id)), Buffer.from(page), 'text/html; charset=utf-8');
}
