/**
 * `fleetscore predictions export`: what counts of a period in one file that other programs read. A file is whole or not
 * there; through standard output the exit code says whether all came.
 */
import { dirname, extname, resolve } from 'node:path';
import { FleetscoreError } from '../../domain/errors.ts';
import type { PredictionsFormat } from '../../domain/prediction.ts';
import { isoTime } from '../../domain/time.ts';
import { storedWindows } from '../../ingest/settings.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';
import { openPredictions } from '../../scoring/export/predictions-cache.ts';
import { openSink, type Write } from '../../scoring/export/sinks.ts';
import { whatCounts, type Counted, type ExportQuery } from '../../scoring/export/what-counts.ts';
import { fileProblem, makeFolder } from '../../storage/folders.ts';
import { writeWholeStream } from '../../storage/whole-stream.ts';
import type { Store } from '../../storage/store.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { knownSensor, unknownDevice } from '../frame/known.ts';
import { periodOf } from '../frame/period.ts';
import { sayBytes, tell, tellJson } from '../frame/terminal.ts';
import { requireRelease } from '../models/releases.ts';

interface Options {
  readonly from?: number;
  readonly to?: number;
  readonly output: string;
  readonly format?: PredictionsFormat;
  readonly device?: readonly string[];
  readonly sensor?: readonly string[];
  readonly release?: string;
}

export async function exportPredictions(context: Context, options: Options): Promise<Output | undefined> {
  const store = await context.store();
  const period = periodOf({ from: needed('--from', options.from), to: needed('--to', options.to) });
  const sensorIds = await idsOf(context, options);
  if (options.release !== undefined) requireRelease(await store.listReleases(), options.release);
  const query: ExportQuery = {
    ...period,
    ...(sensorIds ? { sensorIds } : {}),
    ...(options.release === undefined ? {} : { release: options.release }),
  };
  const toStdout = options.output === '-';
  const file = resolve(options.output);
  const format = options.format ?? (extname(file).toLowerCase() === '.parquet' && !toStdout ? 'parquet' : 'csv');
  const run = (write: Write): Promise<Counted> => exportTo(context, store, query, format, write);
  const counted = toStdout ? await run(sayBytes) : await toFile(file, run);
  const data = {
    ...(toStdout ? {} : { file }),
    format,
    from: isoTime(period.fromMs),
    to: isoTime(period.toMs),
    ...counted,
  };
  const text = [...(toStdout ? [] : [`Written: ${file}`]), ...summary(counted)].join('\n');
  if (!toStdout) return { data, text };
  // The rows have standard output for themselves.
  if (context.json) tellJson(data);
  else tell(text);
  return undefined;
}

async function exportTo(
  context: Context,
  store: Store,
  query: ExportQuery,
  format: PredictionsFormat,
  write: Write,
): Promise<Counted> {
  const { windowMs } = await storedWindows(store, context.config.ingest);
  const sink = openSink(format, write, windowMs);
  const rows = whatCounts({ store, rowsOf: openPredictions(context.blobs()) }, query);
  for (;;) {
    const next = await rows.next();
    if (!next.done) await sink.add(next.value);
    else {
      await sink.end();
      return next.value;
    }
  }
}

async function toFile(file: string, run: (write: Write) => Promise<Counted>): Promise<Counted> {
  try {
    makeFolder(dirname(file));
    return await writeWholeStream(file, run);
  } catch (error) {
    if (error instanceof FleetscoreError || (error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw fileProblem(
      file,
      error,
      (why) => `the predictions cannot be written to ${file}: ${why}. Choose another place with --output.`,
    );
  }
}

function needed(option: string, value: number | undefined): number {
  if (value !== undefined) return value;
  throw new FleetscoreError('INVALID_ARGUMENT', `required option '${option} <time>' not specified.`);
}

/** Ids of what --device and --sensor name, ascending; undefined for all. */
async function idsOf(context: Context, { device, sensor }: Options): Promise<number[] | undefined> {
  if (!device && !sensor) return undefined;
  const store = await context.store();
  const ids = new Set<number>();
  for (const word of sensor ?? []) ids.add((await knownSensor(context, [word])).id);
  for (const name of device ?? []) {
    const own = await store.listSensors({ device: name });
    if (own.length === 0) throw await unknownDevice(store, name);
    for (const { id } of own) ids.add(id);
  }
  return [...ids].sort((a, b) => a - b);
}

function summary({ windows, anomalies, batches, replaced, replacedBatches, open }: Counted): string[] {
  const lines = [
    `${formatNumberOf(windows, 'window')} of ${formatNumberOf(batches, 'batch', 'batches')}, ` +
      `${formatCount(anomalies)} anomalous.`,
  ];
  if (replaced > 0)
    lines.push(
      `Left out: ${formatNumberOf(replaced, 'window')} that a later batch scored again` +
        (replacedBatches > 0
          ? `; of ${formatNumberOf(replacedBatches, 'batch', 'batches')} nothing counts any more.`
          : '.'),
    );
  if (open > 0)
    lines.push(
      `${formatNumberOf(open, 'batch', 'batches')} over this period ${open === 1 ? 'is' : 'are'} still under way and ` +
        'not in it: export again later.',
    );
  if (windows === 0 && replaced === 0)
    lines.push('There are no predictions in this period: `fleetscore batch list` shows what was scored.');
  return lines;
}
