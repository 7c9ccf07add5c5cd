/**
 * Windows from raw capture, ours or that of Azure Event Hubs Capture: after windows were lost, or with a wider
 * filter. Readings are merged into what is there, so what is right already stays as it is, and a rebuild may be
 * stopped, repeated, and run beside live ingest. What cannot be read, a file, an event or a reading, is told and
 * counted, and the rest goes on. One limit: when a sensor sent two values for one time, the one captured last wins,
 * even over a correction that is applied but not in a capture file yet; run it again then.
 */
import type { ErrorCode } from '../domain/error-codes.ts';
import { CONTAINERS } from '../domain/blob-names.ts';
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { Period } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import { parseCaptureName, type CaptureName } from './capture.ts';
import { captureNamesOf, type CaptureNames } from './capture-names.ts';
import { readCapture } from './capture-file.ts';
import { DROP_HUB, DROP_SOURCE } from './drop/marks.ts';
import { hubFolder, type HubName, type IngestEvent } from './event.ts';
import { refuseOtherRules, rulesOf } from './event-rules.ts';
import type { IngestLog } from './log.ts';
import { createEventParser } from './parse-event.ts';
import { createMerger } from './rebuild-merge.ts';
import { createRebuildTally, type RebuildCounts, type RebuildResult, type RebuildTally } from './rebuild-tally.ts';
import { claimWindows, INGEST_DEFAULTS, parseSettings, type IngestSettings } from './settings.ts';

export interface RebuildOptions {
  readonly store: Store;
  readonly blobs: BlobStore;
  /** The hub that the files were captured from. */
  readonly hub: HubName;
  readonly consumerGroup: string;
  /** Format of the names of files, as Event Hubs Capture has it; that of `captureName` when absent. */
  readonly names?: string;
  /** Windows that start in it, by event time. */
  readonly period: Period;
  /** Those of the ingest worker; a late limit does not count here. */
  readonly settings?: Partial<IngestSettings>;
  /** Reads events by its own rules also where the ingest workers have others; see `event-rules.ts`. */
  readonly otherRules?: boolean;
  readonly log: IngestLog;
  readonly onProgress?: (progress: RebuildCounts & { readonly filesInAll: number }) => void;
  readonly signal?: AbortSignal;
}

/**
 * @throws FleetscoreError `NO_RAW_CAPTURE`, `INVALID_ARGUMENT`, `INTERVAL_CHANGED`, `RULES_CHANGED`, `INGEST_STOPPED`
 */
export async function rebuildWindows(options: RebuildOptions): Promise<RebuildResult> {
  const { store, blobs, period } = options;
  const settings: IngestSettings = { ...INGEST_DEFAULTS, ...options.settings };
  const signal = options.signal ?? new AbortController().signal;
  await claimWindows(store, settings);
  if (!options.otherRules) await refuseOtherRules(store, rulesOf(settings));
  const folder = hubFolder(options.hub);
  const names =
    options.names === undefined
      ? { prefix: `${folder}/`, parse: parseCaptureName }
      : captureNamesOf(options.names, options.hub);
  const { files, otherNames, otherName } = await captureFiles(blobs, names, period.fromMs - settings.clockSkewMs);
  const tally = createRebuildTally({ blobs, folder, period, clockSkewMs: settings.clockSkewMs });
  const merger = createMerger({ ...options, settings, signal, onDead: tally.dead });
  const parse = createEventParser(parseSettings(settings));

  for (const file of files) {
    if (signal.aborted) break;
    await merger.from(file.partition);
    const events = await eventsOf(blobs, file.name, tally);
    for (const event of events) {
      const parsed = parse(event);
      if (parsed.reasons) tally.dead(file.partition, event, { problems: parsed.problems, reasons: parsed.reasons });
      await merger.add({ event, parsed });
    }
    options.onProgress?.({ ...tally.counts, readings: merger.readings, filesInAll: files.length });
  }
  await merger.flush();
  if (signal.aborted)
    throw new FleetscoreError(
      'INGEST_STOPPED',
      `the rebuild was stopped after ${tally.counts.files} of ${files.length} files. What it did stays; ` +
        'run it again to finish.',
      { retryable: true },
    );
  return { ...(await tally.result()), readings: merger.readings, otherNames, ...defined({ otherName }) };
}

/**
 * From the capture of the hub, and of files that were dropped; either may be missing. @throws as {@link rebuildWindows}
 */
export async function rebuildAll(options: RebuildOptions): Promise<RebuildResult> {
  const { names: _, ...dropped } = { ...options, hub: DROP_HUB, consumerGroup: DROP_SOURCE.split('/').at(-1)! };
  let hasFiles = false;
  for await (const { name: __ } of options.blobs.list(CONTAINERS.raw, `${hubFolder(DROP_HUB)}/`)) {
    hasFiles = true;
    break;
  }
  if (!hasFiles) return rebuildWindows(options);
  const ofFiles = await rebuildWindows(dropped);
  try {
    return added(ofFiles, await rebuildWindows(options));
  } catch (error) {
    if (error instanceof FleetscoreError && error.code === 'NO_RAW_CAPTURE') return ofFiles;
    throw error;
  }
}

const added = (a: RebuildResult, b: RebuildResult): RebuildResult => ({
  files: a.files + b.files,
  events: a.events + b.events,
  readings: a.readings + b.readings,
  dead: a.dead + b.dead,
  deadInPeriod: a.deadInPeriod + b.deadInPeriod,
  filesUnreadable: a.filesUnreadable + b.filesUnreadable,
  reasons: [...a.reasons, ...b.reasons],
  unreadable: [...a.unreadable, ...b.unreadable],
  otherNames: a.otherNames + b.otherNames,
  ...defined({ otherName: a.otherName ?? b.otherName }),
});

/** The events of a file; none of one that cannot be read, which is told. */
async function eventsOf(blobs: BlobStore, name: string, tally: RebuildTally): Promise<readonly IngestEvent[]> {
  try {
    const events = readCapture(await blobs.get(CONTAINERS.raw, name), name);
    tally.file(events.length);
    return events;
  } catch (error) {
    if (!(error instanceof FleetscoreError) || !SET_ASIDE.has(error.code)) throw error;
    tally.unreadable({ name, message: error.message });
    return [];
  }
}

/** A file that is not what it should be, or that somebody deleted in between. */
const SET_ASIDE: ReadonlySet<string> = new Set<ErrorCode>(['CAPTURE_UNREADABLE', 'FORMAT_TOO_NEW', 'BLOB_MISSING']);

interface Found {
  readonly files: readonly CaptureName[];
  /** Files of Avro whose names say nothing in the format that is asked for. */
  readonly otherNames: number;
  readonly otherName?: string;
}

/**
 * Files that can hold readings from `fromMs` on, in the order of their events: the last file of each partition that
 * begins before, and all later ones, because late readings of the period can be in any of them.
 */
async function captureFiles(
  blobs: BlobStore,
  { prefix, parse }: Pick<CaptureNames, 'prefix' | 'parse'>,
  fromMs: number,
): Promise<Found> {
  const byPartition = new Map<string, CaptureName[]>();
  let otherNames = 0;
  let otherName: string | undefined;
  for await (const { name } of blobs.list(CONTAINERS.raw, prefix)) {
    const file = parse(name);
    if (!file) {
      if (!AVRO.test(name)) continue;
      otherNames += 1;
      otherName ??= name;
      continue;
    }
    const list = byPartition.get(file.partition);
    if (list) list.push(file);
    else byPartition.set(file.partition, [file]);
  }
  if (byPartition.size === 0) throw noCapture(prefix, otherName ?? (await anyAvro(blobs)));
  const files = [...byPartition.values()].flatMap((own) => {
    own.sort((a, b) => a.timeMs - b.timeMs || a.order - b.order);
    const first = own.findIndex((file) => file.timeMs >= fromMs);
    return own.slice(first < 0 ? -1 : Math.max(0, first - 1));
  });
  return { files, otherNames, ...defined({ otherName }) };
}

const AVRO = /\.avro$/i;
/** Names looked at for one of another format. */
const LOOKED_AT = 1_000;

async function anyAvro(blobs: BlobStore): Promise<string | undefined> {
  let looked = 0;
  for await (const { name } of blobs.list(CONTAINERS.raw, '')) {
    if (AVRO.test(name)) return name;
    if (++looked === LOOKED_AT) break;
  }
  return undefined;
}

function noCapture(prefix: string, other: string | undefined): FleetscoreError {
  const where = `there is no raw capture below ${CONTAINERS.raw}/${prefix}`;
  return new FleetscoreError(
    'NO_RAW_CAPTURE',
    other === undefined
      ? `${where}. Check the names of the namespace and the hub.`
      : `${where} with names as they are asked for; there is ${CONTAINERS.raw}/${other}. Check the names of the ` +
          'namespace and the hub; where Event Hubs Capture names files in another way, give its format: ' +
          `fleetscore ingest rebuild --names '${EXAMPLE}'`,
  );
}

const EXAMPLE = '{Namespace}/{EventHub}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}/{PartitionId}';
