/**
 * Looks into the drop again and again, and reads what is new there: one file at a time, whoever of several workers
 * claims it first (claimDrop in domain/drop.ts). A round that fails is told, and the next one makes up for it.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONTAINERS } from '../../domain/blob-names.ts';
import type { DropResult, DroppedFile } from '../../domain/drop.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { EMPTY_TALLY, newSendId, notTaken } from '../../domain/send-tally.ts';
import { sha256Of } from '../../domain/sha256.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { DropBox, DropEntry } from '../../storage/drop-box.ts';
import type { Store } from '../../storage/store.ts';
import type { CsvFormat } from '../csv/read.ts';
import type { IngestLog } from '../log.ts';
import { INGEST_DEFAULTS, type IngestSettings } from '../settings.ts';
import { newTotals } from '../stats.ts';
import { sortDrop, type FoundFile } from './candidates.ts';
import { FORMAT_FILE, formatFilesOf, parseFormat } from './format.ts';
import { DROP_SOURCE } from './marks.ts';
import { readDropped, type ReadDeps, type ReadEnd } from './read-file.ts';

export interface DropOptions {
  readonly box: DropBox;
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly settings?: Partial<IngestSettings>;
  readonly log: IngestLog;
  /** Between two looks. */
  readonly everyMs: number;
  /** A file is read when it has not changed for so long. */
  readonly settleMs: number;
  readonly maxBytes: number;
  /** What failed is tried again by another version. */
  readonly codeVersion: string;
  readonly tempDir?: string;
}

/** Since the start, of this worker. */
export interface DropStats {
  /** Whether the last look was answered. */
  readonly answers: boolean;
  /** Files that are to be read, at the last look. */
  readonly waiting: number;
  readonly done: number;
  readonly failed: number;
  readonly readings: number;
  /** Rows and readings that could not be taken. */
  readonly dead: number;
}

export interface DropWorker {
  stats(): DropStats;
  /** Ends after the events under way; what is half read goes on later where it stood. */
  stop(withinMs: number): Promise<void>;
}

/** Files of one look: more are too many for a listing every few seconds, and told. */
const MOST_FILES = 100_000;
/** Whoever reads a file says so again and again; after this time without a word he is gone. */
const HOLD_MS = 60_000;
/** A file in whose middle so many readers ended without a word is not given to another one. */
const MOST_DEATHS = 3;

type Counts = { -readonly [K in keyof DropStats]: DropStats[K] };

export function startDrop(options: DropOptions): DropWorker {
  const { log } = options;
  const ending = new AbortController();
  const giveUp = new AbortController();
  const counts: Counts = { answers: true, waiting: 0, done: 0, failed: 0, readings: 0, dead: 0 };
  const round = createRound(options, { counts, ending: ending.signal, giveUp: giveUp.signal });
  const running = (async () => {
    while (!ending.signal.aborted) {
      try {
        await round();
        counts.answers = true;
      } catch (error) {
        if (counts.answers && !ending.signal.aborted)
          log.warn({ error: messageOf(error) }, 'the drop cannot be read; it is looked at again and again');
        counts.answers = false;
      }
      await sleep(options.everyMs, undefined, { signal: ending.signal }).catch(() => {});
    }
  })();
  return {
    stats: () => ({ ...counts }),
    async stop(withinMs) {
      ending.abort();
      const deadline = setTimeout(() => giveUp.abort(), withinMs);
      await running;
      clearTimeout(deadline);
    },
  };
}

interface Round {
  readonly counts: Counts;
  readonly ending: AbortSignal;
  readonly giveUp: AbortSignal;
}

/** One look, and everything that is to be read then. @throws what Blob or the store throws */
export function createRound(options: DropOptions, { counts, ending, giveUp }: Round): () => Promise<void> {
  const { store, log } = options;
  const holder = randomUUID();
  const formats = createFormats(options);
  const common = {
    ...options,
    settings: { ...INGEST_DEFAULTS, ...options.settings },
    tempDir: options.tempDir ?? tmpdir(),
    totals: newTotals(),
    ending,
    giveUp,
  };

  const claim = (file: Pick<FoundFile, 'name' | 'etag' | 'form' | 'bytes'>): Promise<DroppedFile | undefined> => {
    const nowMs = Date.now();
    return store.claimDropped(
      { name: file.name, etag: file.etag, form: file.form, bytes: file.bytes },
      {
        source: DROP_SOURCE,
        holder,
        nowMs,
        untilMs: nowMs + HOLD_MS,
        sendId: newSendId(nowMs, randomBytes(10).toString('hex')),
      },
    );
  };
  const end = async (file: DroppedFile, state: 'done' | 'failed', result: DropResult): Promise<void> => {
    if (!(await store.endDropped(file.name, holder, { state, endedMs: Date.now(), result }))) return;
    await store.closeSend(file.sendId);
    counts[state] += 1;
    counts.readings += result.tally.readings;
    counts.dead += notTaken(result.tally);
    const told = { file: file.name, readings: result.tally.readings, dead: notTaken(result.tally) };
    if (state === 'done') log.info(told, 'a file of the drop was read');
    else log.error({ ...told, reason: result.reason }, 'a file of the drop could not be read: fleetscore drop list');
  };
  const readOne = async (found: FoundFile): Promise<void> => {
    const file = await claim(found);
    if (!file) return;
    if (file.deaths >= MOST_DEATHS) return end(file, 'failed', await deadlyResult(store, file));
    const hold = beatOf(() => store.holdDropped(file.name, holder, Date.now() + HOLD_MS));
    const read = await withHold(hold, async () => readOrFail(file, found, formats, { ...common, hold }));
    if (read.kind !== 'left') return end(file, read.kind, read.result);
    log.info({ file: file.name, why: read.why }, 'a file of the drop was left half read');
    // Free at once for whoever comes next.
    await store.holdDropped(file.name, holder, 0);
  };

  return async () => {
    const entries = await listAll(options, formats);
    const { toRead, unsettled, gone, forgotten } = sortDrop(entries, await store.listDropped(), {
      nowMs: Date.now(),
      settleMs: options.settleMs,
    });
    counts.waiting = toRead.length + unsettled;
    for (const record of gone) {
      const file = await claim(record);
      if (file) await end(file, 'failed', await goneResult(store, file));
    }
    for (const name of forgotten) await store.forgetDropped(name);
    let trouble: unknown;
    for (const file of toRead) {
      if (ending.aborted) break;
      // Trouble with one, on the local disk for example, is none of those behind it.
      await readOne(file).catch((error: unknown) => (trouble ??= error));
      counts.waiting -= 1;
    }
    if (trouble !== undefined) throw trouble;
  };
}

async function goneResult(store: Store, { sendId }: DroppedFile): Promise<DropResult> {
  const tally = (await store.readSend(sendId)) ?? EMPTY_TALLY;
  const reason = `it went away while it was read: ${tally.readings} of its readings are in windows. Put it there again`;
  return { read: tally.readings, tally, missing: 0, notGood: 0, reason };
}

/** It would end the next worker too, and with it the ingestion of everything else. */
async function deadlyResult(store: Store, { sendId, deaths }: DroppedFile): Promise<DropResult> {
  const tally = (await store.readSend(sendId)) ?? EMPTY_TALLY;
  const reason =
    `${deaths} workers ended while they read it, as for want of memory: it is left alone. Put it there in smaller ` +
    'parts (of Parquet, in smaller row groups), or give ingest workers more memory and run fleetscore drop retry';
  return { read: tally.readings, tally, missing: 0, notGood: 0, reason };
}

/** Reads, or tells what is wrong with what was said of the format. */
async function readOrFail(file: DroppedFile, found: FoundFile, formats: Formats, deps: ReadDeps): Promise<ReadEnd> {
  let format: CsvFormat;
  try {
    format = formats.of(found);
  } catch (error) {
    if (!(error instanceof FleetscoreError) || error.code !== 'DROP_FORMAT') throw error;
    return {
      kind: 'failed',
      result: { read: 0, tally: EMPTY_TALLY, missing: 0, notGood: 0, reason: error.message },
    };
  }
  return readDropped(file, format, deps);
}

/** Once in a third of the time that it holds for. */
function beatOf(renew: () => Promise<boolean>): () => Promise<boolean> {
  let renewedMs = Date.now();
  return async () => {
    if (Date.now() - renewedMs < HOLD_MS / 3) return true;
    renewedMs = Date.now();
    return renew();
  };
}

/** Also while the store or Blob keeps a batch of events waiting. */
async function withHold<T>(hold: () => Promise<boolean>, work: () => Promise<T>): Promise<T> {
  const beat = setInterval(() => void hold().catch(() => {}), HOLD_MS / 6).unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
  }
}

interface Formats {
  /** What files say of the formats of those beside and below them. */
  see(entries: readonly DropEntry[]): Promise<void>;
  textOf(entry: DropEntry): { readonly text: string; readonly where: string } | undefined;
  /** @throws FleetscoreError `DROP_FORMAT` */
  of(entry: DropEntry): CsvFormat;
}

function createFormats({ blobs }: Pick<DropOptions, 'blobs'>): Formats {
  let seen = new Map<string, { readonly etag: string; readonly text: string }>();
  const textOf: Formats['textOf'] = ({ name, format }) => {
    if (format !== undefined) return { text: format, where: `the metadata of drop/${name}` };
    for (const file of formatFilesOf(name)) {
      const found = seen.get(file);
      if (found) return { text: found.text, where: `drop/${file}` };
    }
    return undefined;
  };
  return {
    async see(entries) {
      const now: typeof seen = new Map();
      for (const { name, etag } of entries) {
        if (name.split('/').at(-1) !== FORMAT_FILE) continue;
        const before = seen.get(name);
        const text = before?.etag === etag ? before.text : await textIn(blobs, name);
        now.set(name, { etag, text });
      }
      seen = now;
    },
    textOf,
    of(entry) {
      const said = textOf(entry);
      return said === undefined ? {} : parseFormat(said.text, said.where);
    },
  };
}

const textIn = async (blobs: BlobStore, name: string): Promise<string> =>
  Buffer.from(await blobs.get(CONTAINERS.drop, name)).toString();

async function listAll({ box, log, codeVersion }: DropOptions, formats: Formats): Promise<FoundFile[]> {
  const entries: DropEntry[] = [];
  for await (const entry of box.list()) {
    if (entries.length === MOST_FILES) {
      log.warn(
        { files: MOST_FILES },
        'more files lie in the drop than are looked at: delete or move those that are read',
      );
      break;
    }
    entries.push(entry);
  }
  await formats.see(entries);
  return entries.map((entry) => {
    const said = formats.textOf(entry)?.text ?? '';
    return { ...entry, form: `${codeVersion.slice(0, 60)} ${sha256Of(said).slice(0, 16)}` };
  });
}
