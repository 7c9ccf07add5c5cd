/**
 * One version of a file, from the drop to windows and raw capture. It is brought to the local disk first, whole: what
 * is read is one version, and Parquet is read from its end. Its events go the way of those of a partition
 * (partition-pipeline.ts), so that nothing of it counts twice, whoever died when.
 */
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DropResult, DroppedFile } from '../../domain/drop.ts';
import { defined } from '../../domain/defined.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { EMPTY_TALLY } from '../../domain/send-tally.ts';
import type { DropBox } from '../../storage/drop-box.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Store } from '../../storage/store.ts';
import type { CsvFormat } from '../csv/read.ts';
import type { IngestEvent } from '../event.ts';
import { hubFolder } from '../event.ts';
import { createFilter } from '../filter.ts';
import type { IngestLog } from '../log.ts';
import { createEventParser } from '../parse-event.ts';
import { openPipeline, type Pipeline } from '../partition-pipeline.ts';
import { readFiles } from '../send-files.ts';
import { createSensorIds } from '../sensor-ids.ts';
import { parseSettings, type IngestSettings } from '../settings.ts';
import type { Totals } from '../stats.ts';
import { fileEvents } from './events.ts';
import { DROP_HUB, DROP_PARTITION, DROP_SOURCE } from './marks.ts';

export interface ReadDeps {
  readonly box: DropBox;
  readonly store: Store;
  readonly blobs: BlobStore;
  /** Those of ingest; a late limit does not count, and raw capture is always written. */
  readonly settings: IngestSettings;
  readonly totals: Totals;
  readonly log: IngestLog;
  /** Larger files are refused, bytes. */
  readonly maxBytes: number;
  /** A folder of its own is made in it for each file. */
  readonly tempDir: string;
  /** Ends retries. */
  readonly giveUp: AbortSignal;
  /** Ends between two batches of events. */
  readonly ending: AbortSignal;
  /** Called between two batches of events. @returns false when the file is somebody else's now */
  readonly hold: () => Promise<boolean>;
}

export type ReadEnd =
  | { readonly kind: 'done' | 'failed'; readonly result: DropResult }
  /** Nothing is to be noted: the worker ends, somebody else has it, or another version lies there. */
  | { readonly kind: 'left'; readonly why: string };

/** Events that are handed on at once. */
const AT_ONCE = 20;

/** @throws FleetscoreError `INGEST_STOPPED`, and what the store throws that does not pass */
export async function readDropped(file: DroppedFile, format: CsvFormat, deps: ReadDeps): Promise<ReadEnd> {
  if (file.bytes > deps.maxBytes)
    return failed(
      `it has ${file.bytes} bytes, and at most ${deps.maxBytes} are read (FLEETSCORE_DROP_MAX_BYTES). ` +
        'Put it there in parts, or raise the limit where the disk of the ingest worker has the room',
    );
  const folder = await mkdtemp(join(deps.tempDir, 'fleetscore-drop-'));
  try {
    const path = join(folder, 'file');
    if (!(await deps.box.download(file, path))) return { kind: 'left', why: 'another version lies there now' };
    return await readLocal(file, path, format, deps);
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

async function readLocal(file: DroppedFile, path: string, format: CsvFormat, deps: ReadDeps): Promise<ReadEnd> {
  const { store } = deps;
  const events = fileEvents(file);
  let readAs: string | undefined;
  let advised: CsvFormat | undefined;
  await store.openSend(file.sendId);
  const pipeline = await openFilePipeline(deps);
  // Not before: a stream that nobody listens to yet ends the process where its file is taken away.
  const stream = createReadStream(path);
  const { readings, counts } = readFiles([{ name: file.name, stream, path }], {
    format,
    events: parseSettings(deps.settings),
    guess: true,
    onGuess: ({ command }) => (readAs = command),
    onAdvice: (advice) => (advised = advice.format),
    onBadRow: ({ line, reason }) => events.onBad(line, reason),
  });
  let reason: string | undefined;
  try {
    const left = await handOn(events.events(readings), pipeline, deps);
    if (left !== undefined) return { kind: 'left', why: left };
  } catch (error) {
    if (isOfTheWorker(error)) throw error;
    reason = reasonOf(error, file.name, advised);
  } finally {
    stream.destroy();
    await pipeline.close(true);
  }
  const { missing, notGood } = counts();
  const result: DropResult = {
    read: events.read,
    tally: (await store.readSend(file.sendId)) ?? EMPTY_TALLY,
    missing,
    notGood: Object.values(notGood).reduce((sum, n) => sum + n, 0),
    ...defined({ readAs, reason }),
  };
  return { kind: reason === undefined ? 'done' : 'failed', result };
}

/** @returns why it ended before the end of the file */
async function handOn(
  events: AsyncGenerator<IngestEvent>,
  pipeline: Pipeline,
  { ending, hold }: Pick<ReadDeps, 'ending' | 'hold'>,
): Promise<string | undefined> {
  let held: IngestEvent[] = [];
  for await (const event of events) {
    held.push(event);
    if (held.length < AT_ONCE) continue;
    await pipeline.process(held);
    held = [];
    await pipeline.tick(Date.now());
    if (ending.aborted) return 'the worker ends';
    if (!(await hold())) return 'another worker reads it';
  }
  await pipeline.process(held);
  return undefined;
}

function openFilePipeline({ store, blobs, settings, totals, log, giveUp }: ReadDeps): Promise<Pipeline> {
  const { lateLimitMs: _, ...rest } = settings;
  return openPipeline({
    source: DROP_SOURCE,
    folder: hubFolder(DROP_HUB),
    partition: DROP_PARTITION,
    store,
    blobs,
    settings: { ...rest, capture: true },
    parse: createEventParser(parseSettings(settings)),
    filter: createFilter(settings.filter),
    sensors: createSensorIds(store, settings.quota),
    totals,
    log,
    giveUp,
    // Where reading starts is asked of the store: a file is read from its beginning.
    checkpoint: async () => {},
    numbersLeap: true,
  });
}

/** What passes, and what is about the store, is no matter of the file: it is read again. */
const isOfTheWorker = (error: unknown): boolean =>
  error instanceof FleetscoreError && (error.retryable || /^(INGEST|STORE|SCHEMA|PROGRESS|BLOB)_/.test(error.code));

const failed = (reason: string): ReadEnd => ({
  kind: 'failed',
  result: { read: 0, tally: EMPTY_TALLY, missing: 0, notGood: 0, reason },
});

function reasonOf(error: unknown, name: string, advised: CsvFormat | undefined): string {
  if (!advised) return messageOf(error);
  const folder = name.slice(0, name.lastIndexOf('/') + 1);
  return (
    `${messageOf(error)}\n\nTo have it read so: fleetscore drop put with these options; or, for all files beside it, ` +
    `this in drop/${folder}_format.json, with what is in doubt ` +
    `set right: ${JSON.stringify(advised)}`
  );
}
