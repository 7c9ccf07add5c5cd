/**
 * Readings that ingest may have lost without a word, found by what it does not decide by itself: what the event hub
 * says of each partition, and what raw capture holds. A hub that was made anew numbers its events anew, so that they
 * are taken for old ones; and what is in no capture file is gone once the hub has deleted it. Reads only.
 */
import { CONTAINERS } from '../domain/blob-names.ts';
import { DAY_MS, isoTime } from '../domain/time.ts';
import type { CaptureName } from '../ingest/capture.ts';
import { capturesOfDay, newestCapture } from '../ingest/capture-holes.ts';
import { readCapture } from '../ingest/capture-file.ts';
import { sourceFolder } from '../ingest/event.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { PartitionProgress } from '../storage/store.ts';

/** What the event hub says of a partition now; sequence number -1 before the first event. */
export interface HubNow {
  /** Of the hub, epoch ms. */
  readonly createdMs: number;
  readonly lastSeq: number;
  /** Of the newest event, epoch ms. */
  readonly lastEnqueuedMs: number;
}

/** Two events that follow each other in raw capture, the first from before the hub was created. */
export interface Seam {
  readonly beforeSeq: number;
  readonly afterSeq: number;
}

export interface PartitionEvidence {
  readonly progress: PartitionProgress;
  /** Absent when Event Hubs does not answer. */
  readonly hub?: HubNow;
  /** Absent when no earlier event is there. */
  readonly seam?: Seam;
  /** When the first event of the newest capture file came, epoch ms; absent when there is no file. */
  readonly capturedMs?: number;
  readonly nowMs: number;
}

/** So many intervals after the newest file of raw capture the next one is not late but missing. */
const CAPTURE_LATE = 10;
/** Fewer events may just have come, after a long silence. */
const CAPTURE_FEW = 100;

/**
 * What is lost or will be, in words; empty when nothing is. Pure. @param captureIntervalMs how often ingest writes raw
 * capture; absent: it does not
 */
export function lossesOf(
  { progress, hub, seam, capturedMs, nowMs }: PartitionEvidence,
  captureIntervalMs: number | undefined,
): string[] {
  const { partition, source, appliedSeq, capturedSeq, last, problem } = progress;
  const name = `partition ${partition} of ${source}`;
  const told = problem === undefined ? '' : `; ingest stands still there: ${problem}`;
  const losses: string[] = [];
  if (appliedSeq >= 0 && hub && hub.lastSeq < appliedSeq)
    losses.push(
      `${name}: events up to number ${appliedSeq} count as read, but it ends at ${hub.lastSeq}: it is not the hub ` +
        `that was read, and its events are taken for old ones${told}`,
    );
  else if (last && hub?.lastSeq === appliedSeq && last.enqueuedMs !== hub.lastEnqueuedMs)
    losses.push(
      `${name}: event ${appliedSeq} counts as read and came at ${isoTime(last.enqueuedMs)}, the one that is there at ` +
        `${isoTime(hub.lastEnqueuedMs)}: it is not the hub that was read${told}`,
    );
  if (hub && seam && seam.afterSeq === seam.beforeSeq + 1)
    losses.push(
      `${name}: the hub was created at ${isoTime(hub.createdMs)} and began to count anew, but raw capture goes on ` +
        `from event ${seam.beforeSeq} to ${seam.afterSeq}: the first ${seam.beforeSeq + 1} events of the new hub ` +
        'were taken for old ones, and are in no window',
    );
  const behind = appliedSeq - capturedSeq;
  // Where there is no file yet, none can be older than the hub.
  const quietMs = nowMs - (capturedMs ?? hub?.createdMs ?? nowMs);
  if (captureIntervalMs !== undefined && behind >= CAPTURE_FEW && quietMs > CAPTURE_LATE * captureIntervalMs)
    losses.push(
      `${name}: ${behind} events are in the windows and in no file of raw capture, whose newest ` +
        `${capturedMs === undefined ? 'is missing' : `begins at ${isoTime(capturedMs)}`}. Where they came just now, ` +
        'look again in a minute; else start the ingest worker again',
    );
  return losses;
}

/** @throws what Blob throws, FleetscoreError `CAPTURE_UNREADABLE` */
export async function evidenceOf(
  blobs: Pick<BlobStore, 'get' | 'list'>,
  progress: PartitionProgress,
  hub: HubNow | undefined,
  { sinceMs, nowMs }: { readonly sinceMs: number; readonly nowMs: number },
): Promise<PartitionEvidence> {
  const folder = `${sourceFolder(progress.source)}/${progress.partition}`;
  const newest = await newestCapture(blobs, folder, nowMs);
  const seam = hub && hub.createdMs >= sinceMs ? await seamAt(blobs, folder, hub.createdMs, nowMs) : undefined;
  return {
    progress,
    nowMs,
    ...(hub ? { hub } : undefined),
    ...(seam ? { seam } : undefined),
    ...(newest ? { capturedMs: newest.timeMs } : undefined),
  };
}

/** The last captured event before a time and the first one after it. */
async function seamAt(
  blobs: Pick<BlobStore, 'get' | 'list'>,
  folder: string,
  atMs: number,
  nowMs: number,
): Promise<Seam | undefined> {
  let beforeSeq: number | undefined;
  for await (const { name } of filesAround(blobs, folder, atMs, nowMs))
    for (const { seq, enqueuedMs } of readCapture(await blobs.get(CONTAINERS.raw, name), name)) {
      if (enqueuedMs < atMs) beforeSeq = seq;
      else return beforeSeq === undefined ? undefined : { beforeSeq, afterSeq: seq };
    }
  return undefined;
}

/** The newest file that begins before a time, and those after it. Their names are cut to whole seconds. */
async function* filesAround(
  blobs: Pick<BlobStore, 'list'>,
  folder: string,
  atMs: number,
  nowMs: number,
): AsyncGenerator<CaptureName, undefined> {
  const ofDay = await capturesOfDay(blobs, folder, atMs);
  const secondMs = Math.floor(atMs / 1_000) * 1_000;
  const first =
    ofDay.findLast(({ timeMs }) => timeMs < secondMs) ?? (await newestCapture(blobs, folder, atMs - DAY_MS));
  if (first) yield first;
  yield* ofDay.filter(({ timeMs }) => timeMs >= secondMs);
  const dayAfter = Math.floor(atMs / DAY_MS) * DAY_MS + DAY_MS;
  for (let dayMs = dayAfter; dayMs <= nowMs; dayMs += DAY_MS) yield* await capturesOfDay(blobs, folder, dayMs);
  return undefined;
}
