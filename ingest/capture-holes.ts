/**
 * Raw capture that SQL says is there and Blob has not: an account that lost its newest blobs, a backup of one side
 * restored. Capture then goes back to the last file that is there, and what the event hub still holds after it is
 * captured again; windows are not touched, for their progress is another number.
 */
import { CONTAINERS } from '../domain/blob-names.ts';
import { DAY_MS, isoTime } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { PartitionProgress, Store } from '../storage/store.ts';
import { parseCaptureName, type CaptureName } from './capture.ts';
import { readCapture } from './capture-file.ts';
import type { IngestLog } from './log.ts';

/** Files are named by when their first event came to the hub, and a hub keeps events for so long at most by default. */
const LONGEST_BACK_DAYS = 8;

/**
 * Sets capture of the partitions of a source back to what is there. Called before anything is read.
 * @param folder `{namespace}/{hub}`
 */
export async function mendCapture(
  { store, blobs, log }: { readonly store: Store; readonly blobs: BlobStore; readonly log: IngestLog },
  source: string,
  folder: string,
): Promise<void> {
  // Progress first: a file that another worker writes meanwhile can only be newer than it.
  for (const progress of await store.listProgress(source)) {
    const { partition, capturedSeq } = progress;
    if (capturedSeq < 0) continue;
    const lastSeq = await lastCaptured(blobs, `${folder}/${partition}`, progress);
    if (lastSeq === undefined || lastSeq >= capturedSeq) continue;
    await store.rewindCapture(source, partition, lastSeq);
    log.error(
      { partition, capturedSeq, lastSeq },
      'raw capture lacks its newest files: it goes back to the last one that is there, and captures again ' +
        'what the event hub still holds',
    );
  }
}

/** Sequence number of the last event in a file; -1 when there is no file; undefined when nobody can say. */
async function lastCaptured(
  blobs: BlobStore,
  folder: string,
  { updatedAtMs }: PartitionProgress,
): Promise<number | undefined> {
  const newest = await newestCapture(blobs, folder, updatedAtMs);
  if (newest) return readCapture(await blobs.get(CONTAINERS.raw, newest.name), newest.name).at(-1)?.seq;
  for await (const _ of blobs.list(CONTAINERS.raw, `${folder}/`)) return undefined;
  // No file at all: deleted by a rule when nothing came for long, or lost. Only what is young can be captured again.
  return Date.now() - updatedAtMs < LONGEST_BACK_DAYS * DAY_MS ? -1 : undefined;
}

/** The newest file of the eight days before a time; undefined when there is none. @param folder of the partition */
export async function newestCapture(
  blobs: Pick<BlobStore, 'list'>,
  folder: string,
  beforeMs: number,
): Promise<CaptureName | undefined> {
  for (let back = 0; back <= LONGEST_BACK_DAYS; back++) {
    const newest = (await capturesOfDay(blobs, folder, beforeMs - back * DAY_MS)).at(-1);
    if (newest) return newest;
  }
  return undefined;
}

/** Files whose first event came to the hub on the day (UTC) of a time, in order. @param folder of the partition */
export async function capturesOfDay(
  blobs: Pick<BlobStore, 'list'>,
  folder: string,
  dayMs: number,
): Promise<CaptureName[]> {
  const day = isoTime(dayMs).slice(0, 10).replaceAll('-', '/');
  const files: CaptureName[] = [];
  for await (const { name } of blobs.list(CONTAINERS.raw, `${folder}/${day}/`)) {
    const file = parseCaptureName(name);
    if (file) files.push(file);
  }
  return files.sort((a, b) => a.timeMs - b.timeMs || a.order - b.order);
}
