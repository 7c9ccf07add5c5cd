/**
 * Readings that ingest lost without a word are found by what the hub says and raw capture holds, whatever ingest
 * decided.
 */
import { expect, test } from '@jest/globals';
import { captureName } from '../../ingest/capture.ts';
import { writeCapture } from '../../ingest/capture-file.ts';
import type { PartitionProgress } from '../../storage/store.ts';
import { evidenceOf, lossesOf, type HubNow, type PartitionEvidence } from '../../verify/ingest-losses.ts';

const T0 = Date.UTC(2026, 10, 29, 12);
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const SOURCE = 'plant.servicebus.windows.net/readings/$default';

const progress = (more: Partial<PartitionProgress> = {}): PartitionProgress => ({
  source: SOURCE,
  partition: '0',
  appliedSeq: 500,
  capturedSeq: 500,
  watermarkMs: T0,
  readings: 501,
  late: 0,
  dead: 0,
  updatedAtMs: T0,
  last: { offset: '1', enqueuedMs: T0 - 1_000 },
  ...more,
});
const hub = (more: Partial<HubNow> = {}): HubNow => ({
  createdMs: T0 - 30 * DAY_MS,
  lastSeq: 500,
  lastEnqueuedMs: T0 - 1_000,
  ...more,
});
const losses = (evidence: Omit<PartitionEvidence, 'nowMs'>, captureIntervalMs: number | undefined): string[] =>
  lossesOf({ nowMs: T0, ...evidence }, captureIntervalMs);
const file = { capturedMs: T0 - MINUTE_MS };

test('a partition that is the one that was read, behind or caught up, has no loss', () => {
  for (const evidence of [
    { progress: progress(), hub: hub(), ...file },
    { progress: progress(), hub: hub({ lastSeq: 900, lastEnqueuedMs: T0 }), ...file },
    { progress: progress(), ...file },
    { progress: progress({ capturedSeq: 420 }), hub: hub(), capturedMs: T0 - DAY_MS },
    { progress: progress(), hub: hub(), seam: { beforeSeq: 320, afterSeq: 0 }, ...file },
    { progress: progress({ appliedSeq: -1, capturedSeq: -1 }), hub: hub({ lastSeq: -1 }) },
  ])
    expect(losses(evidence, MINUTE_MS)).toEqual([]);
});

test('a hub that is shorter, or whose event of the same number is another, is not the one that was read', () => {
  const of = (now: HubNow): string[] => losses({ progress: progress(), hub: now, ...file }, MINUTE_MS);
  expect(of(hub({ lastSeq: 40 }))).toEqual([
    expect.stringMatching(/^partition 0 of plant.*up to number 500.*ends at 40/),
  ]);
  expect(of(hub({ lastEnqueuedMs: T0 }))).toEqual([
    expect.stringMatching(/event 500 counts as read and came at 2026-11-29/),
  ]);
  expect(
    losses({ progress: progress({ problem: 'another hub' }), hub: hub({ lastSeq: 4 }), ...file }, MINUTE_MS),
  ).toEqual([expect.stringMatching(/ingest stands still there: another hub/)]);
});

test('events that are in no raw capture for long are told, unless others write it', () => {
  const evidence = { progress: progress({ capturedSeq: -1 }), hub: hub() };
  expect(losses(evidence, MINUTE_MS)).toEqual([
    expect.stringMatching(/501 events are in the windows.*whose newest is missing/),
  ]);
  expect(losses({ ...evidence, capturedMs: T0 - DAY_MS }, MINUTE_MS)).toHaveLength(1);
  expect(losses({ ...evidence, ...file }, MINUTE_MS)).toEqual([]);
  expect(losses(evidence, undefined)).toEqual([]);
  // A hub that is younger than ten files of it, with none yet.
  expect(losses({ ...evidence, hub: hub({ createdMs: T0 - MINUTE_MS }) }, MINUTE_MS)).toEqual([]);
});

test('numbers that go on in raw capture where the hub was made anew tell how many events were dropped', async () => {
  const held = new Map<string, Uint8Array>();
  const folder = 'plant/readings/0';
  const put = async (firstSeq: number, times: readonly number[]): Promise<void> => {
    const events = times.map((enqueuedMs, i) => ({
      seq: firstSeq + i,
      offset: String(i),
      enqueuedMs,
      body: Buffer.from('{}'),
    }));
    held.set(captureName(folder, times[0]!), await writeCapture(events));
  };
  const blobs = {
    get: async (_: string, name: string) => held.get(name)!,
    async *list(_: string, prefix: string) {
      for (const name of [...held.keys()].sort()) if (name.startsWith(prefix)) yield { name, bytes: 0 };
    },
  } as unknown as Parameters<typeof evidenceOf>[0];
  const look = (createdMs: number) =>
    evidenceOf(blobs, progress(), hub({ createdMs }), { sinceMs: T0 - 20 * DAY_MS, nowMs: T0 });
  expect(await look(T0 - DAY_MS)).not.toHaveProperty('seam');
  // Three days without an event, then a file that spans the creation, and one of the day after.
  await put(0, [T0 - 5 * DAY_MS, T0 - 5 * DAY_MS + 1]);
  await put(2, [T0 - 2 * DAY_MS, T0 - 2 * DAY_MS + 10]);
  await put(4, [T0 - DAY_MS]);
  const at = async (createdMs: number): Promise<string[]> => losses(await look(createdMs), MINUTE_MS);
  expect((await look(T0 - 3 * DAY_MS)).seam).toEqual({ beforeSeq: 1, afterSeq: 2 });
  expect((await look(T0 - 2 * DAY_MS + 5)).seam).toEqual({ beforeSeq: 2, afterSeq: 3 });
  expect(await at(T0 - 1.5 * DAY_MS)).toEqual([
    expect.stringMatching(
      /raw capture goes on from event 3 to 4: the first 4 events of the new hub were taken for old/,
    ),
  ]);
  expect(await look(T0 - 6 * DAY_MS)).not.toHaveProperty('seam');
  expect(await look(T0 - MINUTE_MS)).not.toHaveProperty('seam');
  // Files are named by the second: the first one of a hub may be named before the hub was made.
  await put(5, [T0 - DAY_MS / 2 + 500]);
  expect((await look(T0 - DAY_MS / 2 + 300)).seam).toEqual({ beforeSeq: 4, afterSeq: 5 });
  // Not asked about, because it was made before what is verified.
  expect(await look(T0 - 25 * DAY_MS)).not.toHaveProperty('seam');
});
