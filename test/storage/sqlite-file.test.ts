/**
 * The store as a file on a disk that others fill: a whole copy under load, room that ingest leaves alone, a log that
 * stays short.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { reserveGuard, type DiskRoom } from '../../storage/sqlite/disk-reserve.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('sqlite-file');
const T0 = Date.parse('2026-03-02T10:00:00Z');

async function filled(name: string, sensors: number): Promise<{ store: Store; path: string; ids: number[] }> {
  const path = join(dir, `${name}.db`);
  const store = await openStore(`sqlite:${path}`);
  await store.migrate();
  const ids = await store.registerSensors(
    Array.from({ length: sensors }, (_, i) => ({ device: 'd', sensor: `s${i}` })),
  );
  return { store, path, ids };
}

/** One reading of each sensor, as one event. */
function commit(store: Store, ids: readonly number[], seq: number): Promise<void> {
  const tsMs = T0 + seq * 5_000;
  return store.commitReadings({
    source: 'n/h/g',
    partition: '0',
    expectedSeq: seq - 1,
    throughSeq: seq,
    watermarkMs: tsMs,
    updates: ids.map((sensorId) => ({ sensorId, startMs: tsMs, tsMs: [tsMs], values: [seq] })),
    readings: ids.length,
    late: 0,
    dead: 0,
  });
}

test('a backup taken while ingest goes on is whole: all of its commits, or none of each', async () => {
  const { store, path, ids } = await filled('busy', 200);
  const writer = await openStore(`sqlite:${path}`);
  for (let seq = 0; seq < 300; seq++) await commit(store, ids, seq);
  let seq = 300;
  let stop = false;
  const writing = (async () => {
    for (; !stop; seq++) {
      await commit(writer, ids, seq);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  for (let round = 0; round < 3; round++) {
    const file = join(dir, `copy-${round}.db`);
    const { bytes } = await store.backup(file);
    expect(bytes).toBe(statSync(file).size);
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
    const copy = await openStore(`sqlite:${file}`, { create: false });
    const [progress] = await copy.listProgress();
    // Every commit wrote a window of every sensor with its progress: the copy has them all, up to one moment.
    for (const stats of await copy.windowStats({ from: 0, to: 1_000 }, { countFromMs: 0 }))
      expect(stats).toMatchObject({ windows: progress!.appliedSeq + 1, lastMs: T0 + progress!.appliedSeq * 5_000 });
    await copy.close();
  }
  stop = true;
  await writing;
  await expect(store.backup(join(dir, 'copy-0.db'))).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  await expect(store.backup(join(dir, 'no/such/x.db'))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(existsSync(join(dir, 'copy-0.db.partial'))).toBe(false);
  await writer.close();
  await store.close();
}, 60_000);

test('below the reserve readings wait, and go on when there is room, on the disk or in the file', () => {
  let nowMs = 0;
  const room = (freeBytes: number): DiskRoom => ({ freeBytes, reserveBytes: 2 ** 28 });
  let disk = room(2 ** 30);
  let reusable = 0;
  const guard = reserveGuard(
    '/data/fleet.db',
    () => reusable,
    () => nowMs,
    () => disk,
  );
  guard();
  disk = room(2 ** 27);
  nowMs += 2_000;
  expect(() => guard()).toThrow(expect.objectContaining({ code: 'DISK_RESERVE', retryable: true }));
  expect(() => guard()).toThrow(/128 MiB free.*256 MiB alone.*db prune/);
  // What was pruned is used again, though the disk is as full as before.
  reusable = 2 ** 27;
  nowMs += 2_000;
  guard();
  reusable = 0;
  disk = room(2 ** 29);
  nowMs += 2_000;
  guard();
  // Where nobody tells, nothing waits.
  reserveGuard(
    '/x',
    () => 0,
    () => 0,
    () => undefined,
  )();
});

test('a log that a long reader let grow is started over beside ingest, not by its commits', async () => {
  const { store, path, ids } = await filled('log', 2_000);
  const wal = (): number => statSync(`${path}-wal`).size;
  const reader = new DatabaseSync(path);
  reader.exec('BEGIN; SELECT COUNT(*) FROM windows');
  reader.prepare('SELECT COUNT(*) FROM windows').get();
  let seq = 0;
  for (; wal() < 80 * 1024 * 1024; seq++) await commit(store, ids, seq);
  const grown = wal();
  reader.exec('COMMIT');
  reader.close();
  for (let i = 0; i < 20_000 && wal() > grown / 2; i++) {
    if (i % 10 === 0) await commit(store, ids, seq++);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(wal()).toBeLessThan(grown / 2);
  await store.close();
}, 120_000);
