/** Fills a SQLite store as months of ingest and batches leave it: in the order of time, all sensors a step. */
import { DatabaseSync } from 'node:sqlite';
import { openStore } from '../storage/open-store.ts';
import type { Period } from '../domain/time.ts';
import type { Store } from '../storage/store.ts';

export const DAY_MS = 86_400_000;
export const STEP_MS = 60_000;
export const PERIOD_MS = 15 * STEP_MS;
const RELEASE = 'bench';
const MODEL = 'a'.repeat(64);

export interface Filled {
  readonly fromMs: number;
  readonly toMs: number;
  readonly windows: number;
}

export async function fillStore(
  file: string,
  days: number,
  sensors: number,
  say: (line: string) => void,
  { stepMs = STEP_MS, perDevice = 5 }: { readonly stepMs?: number; readonly perDevice?: number } = {},
): Promise<Filled> {
  const toMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const fromMs = toMs - days * DAY_MS;
  const store = await openStore(`sqlite:${file}`);
  await store.migrate();
  const ids = await store.registerSensors(
    Array.from({ length: sensors }, (_, i) => ({ device: `d${Math.floor(i / perDevice)}`, sensor: `s${i}` })),
  );
  await store.createRelease(
    RELEASE,
    fromMs,
    ids.map((sensorId) => ({ sensorId, model: MODEL })),
    [{ model: MODEL, bytes: 1_000, kind: 'onnx', features: ['mean'] }],
  );
  await store.setCurrentRelease(RELEASE);
  say(`filling ${days} days of ${sensors} sensors ...`);
  fillWindows(file, { fromMs, toMs }, sensors, stepMs);
  for (let at = fromMs; at < toMs; at += PERIOD_MS) await addBatch(store, at, ids);
  await store.close();
  return { fromMs, toMs, windows: ((toMs - fromMs) / stepMs) * sensors };
}

function fillWindows(file: string, { fromMs, toMs }: Period, sensors: number, stepMs: number): void {
  const db = new DatabaseSync(file);
  db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -262144');
  const add = db.prepare(
    `INSERT INTO windows (sensor_id, start_ms, count, mean, min, max, last, last_ts, change_id, readings)
     VALUES (?, ?, 1, ?, ?, ?, ?, ?, 1, NULL)`,
  );
  // Hour by hour over all sensors, as commits leave it.
  for (let hour = fromMs; hour < toMs; hour += DAY_MS / 24) {
    db.exec('BEGIN');
    for (let id = 1; id <= sensors; id++)
      for (let at = hour; at < hour + DAY_MS / 24; at += stepMs) {
        const value = 20 + Math.sin(at / 1e7 + id);
        add.run(id, at, value, value, value, value, at);
      }
    db.exec('COMMIT');
  }
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
}

async function addBatch(store: Store, fromMs: number, ids: readonly number[]): Promise<void> {
  const toMs = fromMs + PERIOD_MS;
  const id = `bench-${toMs}`;
  const run = { id, workflowId: id, runId: id, kind: 'score' as const, release: RELEASE, schedule: 'bench' };
  await store.createBatch({ ...run, fromMs, toMs, codeVersion: 'bench', startedAtMs: toMs });
  await store.commitChunk({
    batchId: id,
    chunk: 'all',
    outcomes: ids.map((sensorId) => ({
      sensorId,
      status: 'scored' as const,
      windows: 15,
      anomalies: 0,
      attempt: 1,
      model: MODEL,
    })),
    changeId: 1,
    file: { chunk: 'all', blob: `${id}/all.csv`, rows: 15 * ids.length, bytes: 1_000, sha256: MODEL },
  });
  await store.finishBatch(id, { status: 'completed', manifest: `${id}/manifest.json`, finishedAtMs: toMs + 10_000 });
}
