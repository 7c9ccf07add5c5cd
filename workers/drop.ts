/** The file drop within the ingest worker: started as configured, and what it tells of itself. */
import type { Config } from '../config.ts';
import { dropBox } from '../connect/blob-storage.ts';
import { ingestSettings } from '../connect/ingest-settings.ts';
import { startDrop, type DropOptions, type DropStats, type DropWorker } from '../ingest/drop/drop-worker.ts';
import type { Metric } from '../telemetry/metric.ts';
import { VERSION } from '../version.ts';

/** Undefined where it is off. */
export function startDropOf(
  config: Config,
  deps: Pick<DropOptions, 'store' | 'blobs' | 'log'>,
): DropWorker | undefined {
  const { on, everyMs, settleMs, maxBytes } = config.ingest.drop;
  if (!on) return undefined;
  const settings = ingestSettings(config);
  return startDrop({ ...deps, box: dropBox(config), settings, everyMs, settleMs, maxBytes, codeVersion: VERSION });
}

export function dropMetrics(stats: DropStats | undefined): Metric[] {
  if (!stats) return [];
  const own = (name: string, type: Metric['type'], help: string, samples: Metric['samples']): Metric => ({
    name: `fleetscore_drop_${name}`,
    type,
    help,
    samples,
  });
  return [
    own('up', 'gauge', 'Whether the last look into the file drop was answered.', [
      { labels: {}, value: Number(stats.answers) },
    ]),
    own('waiting_files', 'gauge', 'Files in the drop that are to be read, as of the last look of this worker.', [
      { labels: {}, value: stats.waiting },
    ]),
    own('files_total', 'counter', 'Files of the drop that this worker has read to their end, since its start.', [
      { labels: { result: 'done' }, value: stats.done },
      { labels: { result: 'failed' }, value: stats.failed },
    ]),
    own('readings_total', 'counter', 'Readings of files put into windows, since the start.', [
      { labels: {}, value: stats.readings },
    ]),
    own('dead_readings_total', 'counter', 'Rows and readings of files that could not be taken, since the start.', [
      { labels: {}, value: stats.dead },
    ]),
  ];
}
