/** `fleetscore ingest rebuild`: windows again from raw capture. */
import { ingestSettings } from '../../connect/ingest-settings.ts';
import { openHubReader } from '../../connect/partitions.ts';
import { defined } from '../../domain/defined.ts';
import { isoTime } from '../../domain/time.ts';
import type { IngestLog } from '../../ingest/log.ts';
import { rebuildAll } from '../../ingest/rebuild.ts';
import { formatNumberOf } from '../../report/format.ts';
import { startBar } from '../batch/progress.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { interruption } from '../frame/interrupt.ts';
import { periodOf } from '../frame/period.ts';
import { tell } from '../frame/terminal.ts';
import { rebuildText } from './rebuild-text.ts';

export async function rebuild(
  context: Context,
  { from, to, names, otherRules }: { from: number; to: number; names?: string; otherRules?: true },
): Promise<Output> {
  const period = periodOf({ from, to });
  const { config } = context;
  const reader = openHubReader(config);
  await reader.close();
  const signal = interruption();
  const bar = context.json ? undefined : startBar('rebuilding', 'files');
  try {
    const result = await rebuildAll({
      // Blob first: without it no store is made either.
      blobs: context.blobs(),
      store: await context.storeToFill(),
      hub: reader.hub,
      consumerGroup: config.eventHubs.consumerGroup,
      period,
      ...defined({ names: names ?? config.ingest.captureNames, otherRules }),
      settings: ingestSettings(config),
      log: TROUBLE,
      signal,
      onProgress: ({ files, filesInAll, readings }) => bar?.set(files, filesInAll, formatNumberOf(readings, 'reading')),
    });
    return {
      data: { from: isoTime(from), to: isoTime(to), ...result },
      text: rebuildText(result),
      ...(result.filesUnreadable > 0 ? { exitCode: EXIT_FAILED } : {}),
    };
  } finally {
    bar?.end();
  }
}

/** A rebuild tries again by itself; people see why it takes long. */
const TROUBLE: IngestLog = {
  debug: () => {},
  info: () => {},
  warn: (fields, message) => tellTrouble(fields, message),
  error: (fields, message) => tellTrouble(fields, message),
};

function tellTrouble(fields: object, message: string): void {
  const { error } = fields as { error?: unknown };
  tell(`${message}${typeof error === 'string' ? `: ${error}` : ''}`);
}
