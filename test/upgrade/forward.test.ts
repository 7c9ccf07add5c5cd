/**
 * Homes of earlier versions under this one: nothing changes by looking, the schema is migrated once, what was not read
 * is read to the end, exactly, and what earlier versions scored, stored and packed is read, explained and scored with.
 */
import { afterEach, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isoTime } from '../../domain/time.ts';
import { listDeadLetters } from '../../ingest/dead-letters.ts';
import { loadMigrations } from '../../storage/migrations.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { verifyBatch } from '../../verify/verify-batch.ts';
import { createScoringEngine } from '../../scoring/engine.ts';
import { until } from '../support/until.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';
import { HOMES } from './homes.ts';
import { revive, type Reading, type Revived } from './revived.ts';

const FIRST = { fromMs: Date.parse('2026-03-02T10:00:00Z'), toMs: Date.parse('2026-03-02T10:05:00Z') };
const SECOND = { fromMs: FIRST.toMs, toMs: Date.parse('2026-03-02T10:10:00Z') };
const THIRD = { fromMs: SECOND.toMs, toMs: Date.parse('2026-03-02T10:15:00Z') };
const dir = tempDir('upgrade');

let home: Revived | undefined;
let store: Store | undefined;
afterEach(async () => {
  await store?.close();
  await home?.stop();
});

test.each(Object.keys(HOMES))(
  'the home %s goes on under this version',
  async (name) => {
    home = await revive(name, join(dir, name));
    const { cli, expected, blobs } = home;
    await untouchedByLooking(home);
    await migratedOnce(home);
    store = await openStore(home.sqlUrl, { create: false });

    // Old batches, before anything new is in the store.
    for (const id of [expected.superseded, expected.rescored]) await verified(home, store, id);
    const hopMs = HOMES[name]!.env.FLEETSCORE_HOP ? 5_000 : undefined;
    const windowMs = hopMs === undefined ? 5_000 : 10_000;
    const { device, sensor } = home.readings[0]!;
    const explained = await cli(['explain', device, sensor, isoTime(FIRST.fromMs + 60_000), '--json']);
    expect([explained.code, explained.stderr]).toEqual([0, '']);
    expect(JSON.stringify(explained.json())).toContain(expected.rescored);
    expect(await cli(['report', expected.rescored])).toMatchObject({ code: 0, stderr: '' });

    // To the end of the hub; letters sent again are letters again.
    const ingest = await home.startIngest();
    const replayed = await cli(['ingest', 'deadletters', '--replay', '--json']);
    expect(replayed.json()).toMatchObject({ sent: expected.deadLetters });
    const wanted = windowsOf(home.readings, windowMs, hopMs ?? windowMs);
    await until(async () => (await windowsIn(store!)).size >= wanted.size && (await allCaptured(store!)));
    await until(async () => (await letters(home!)) === expected.deadLetters);
    ingest.kill('SIGTERM');
    expect(await windowsIn(store)).toEqual(wanted);

    // New batches with old models and packs; one that was under way ends, with what it has.
    const engine = await createScoringEngine({ blobs, cacheDir: join(dir, name, 'cache'), threads: 1 });
    try {
      const deps = { store, blobs, engine, hopMs: hopMs ?? windowMs, windows: { windowMs, hopMs: hopMs ?? windowMs } };
      const { workflowId, runId, counts } = (await store.findBatch(expected.paused))!;
      expect(counts.scored).toBe(2);
      const begun = await runBatch(deps, { batchId: expected.paused, workflowId, runId, ...SECOND });
      expect(begun.result).toMatchObject({ status: 'completed', planned: 6, counts: { scored: 5, skipped: 1 } });
      const next = await runBatch(deps, { batchId: 'next', ...THIRD });
      expect(next.result).toMatchObject({ status: 'completed', planned: 6, counts: { scored: 5, skipped: 1 } });
      // Readings that came after the first period was scored again.
      expect(await store.changedSensors(FIRST)).not.toEqual([]);
      const late = await runBatch(deps, { batchId: 'late', rescore: true, release: 'first', ...FIRST });
      expect(late.result).toMatchObject({ status: 'completed', counts: { scored: 6 } });
      for (const id of [expected.rescored, expected.paused, 'next', 'late']) await verified(home, store, id);
    } finally {
      await engine.close();
    }

    // All windows again, from what both versions captured.
    const other = { FLEETSCORE_SQL_URL: `sqlite:${join(dir, name, 'rebuilt.db')}` };
    const period = ['--from', isoTime(FIRST.fromMs), '--to', isoTime(THIRD.toMs)];
    expect(await cli(['ingest', 'rebuild', ...period, '--json'], other)).toMatchObject({ code: 0, stderr: '' });
    const again = await openStore(other.FLEETSCORE_SQL_URL, { create: false });
    const within = [...wanted].filter(([, { startMs }]) => startMs >= FIRST.fromMs && startMs < THIRD.toMs);
    expect(new Map([...(await windowsIn(again))].filter(([key]) => wanted.has(key)))).toEqual(new Map(within));
    await again.close();
  },
  240_000,
);

/** Names of the migrations that are applied, and SQLite's own count of changes of the schema. */
function schemaOf(home: Revived): readonly unknown[] {
  const db = new DatabaseSync(home.sqlUrl.slice('sqlite:'.length), { readOnly: true });
  const rows = db.prepare('SELECT name FROM schema_migrations ORDER BY version').all();
  const { schema_version: changes } = db.prepare('PRAGMA schema_version').get() as { schema_version: number };
  db.close();
  return [changes, ...rows.map((row) => row['name'])];
}

async function untouchedByLooking(home: Revived): Promise<void> {
  const before = schemaOf(home);
  const looked = await home.cli(['sensors', 'list']);
  expect([looked.code, looked.stdout]).toEqual([1, '']);
  expect(looked.stderr).toMatch(/has schema version \d; this fleetscore needs version \d+\. Nothing was changed/);
  expect(schemaOf(home)).toEqual(before);
}

async function migratedOnce(home: Revived): Promise<void> {
  const had = schemaOf(home).length - 1;
  const results = await Promise.all([1, 2].map(() => home.cli(['db', 'migrate', '--json'])));
  expect(results.map(({ code, stderr }) => [code, stderr])).toEqual([
    [0, ''],
    [0, ''],
  ]);
  expect(results.flatMap((result) => (result.json() as { applied: string[] }).applied)).toEqual(
    loadMigrations('sqlite')
      .slice(had)
      .map(({ name }) => name),
  );
}

async function verified({ blobs }: Revived, of: Store, id: string): Promise<void> {
  const workflowEnd = async () => ({ state: 'unknown', reason: 'its server did not come along' }) as const;
  const { findings } = await verifyBatch({ store: of, blobs, workflowEnd }, id);
  expect([id, findings]).toEqual([id, []]);
}

async function letters({ blobs }: Revived): Promise<number> {
  let count = 0;
  for await (const _ of listDeadLetters(blobs, '')) count += 1;
  return count;
}

const allCaptured = async (of: Store): Promise<boolean> =>
  (await of.listProgress()).every(({ appliedSeq, capturedSeq }) => capturedSeq === appliedSeq);

interface Aggregate {
  readonly startMs: number;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

/** Sums in thousandths: the order of readings changes the last bits of a sum of doubles. */
const thousandths = (sum: number): number => Math.round(sum * 1_000);

/** What the windows must be, from the readings alone. */
function windowsOf(readings: readonly Reading[], windowMs: number, hopMs: number): Map<string, Aggregate> {
  const values = new Map<string, { startMs: number; values: number[] }>();
  for (const { device, sensor, tsMs, value } of readings)
    for (let startMs = Math.floor(tsMs / hopMs) * hopMs; startMs > tsMs - windowMs; startMs -= hopMs) {
      const key = `${device}/${sensor}/${startMs}`;
      const of = values.get(key) ?? { startMs, values: [] };
      of.values.push(value);
      values.set(key, of);
    }
  return new Map(
    [...values].sort().map(([key, { startMs, values: all }]) => [
      key,
      {
        startMs,
        count: all.length,
        sum: thousandths(all.reduce((sum, value) => sum + value, 0)),
        min: Math.min(...all),
        max: Math.max(...all),
      },
    ]),
  );
}

async function windowsIn(of: Store): Promise<Map<string, Aggregate>> {
  const all: [string, Aggregate][] = [];
  for (const { id, device, sensor } of await of.listSensors())
    for (const { startMs, count, mean, min, max } of await of.readSensorWindows(id, {
      fromMs: 0,
      toMs: Number.MAX_SAFE_INTEGER,
    }))
      all.push([`${device}/${sensor}/${startMs}`, { startMs, count, sum: thousandths(mean * count), min, max }]);
  return new Map(all.sort());
}
