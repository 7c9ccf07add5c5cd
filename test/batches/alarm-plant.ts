/** Plants whose sensors are scored as a test says, and the alarms that come of it, for alarms.test.ts. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { signalsOf } from '../../batches/alarm-signals.ts';
import { type RaiseDeps } from '../../batches/raise-alarms.ts';
import { DEFAULT_RULE } from '../../alarms/rules.ts';
import type { Alarm } from '../../domain/alarm.ts';
import { createFindings } from '../../verify/findings.ts';
import { checkAlarms } from '../../verify/alarms.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { encodeCsv } from '../../scoring/predictions-csv.ts';
import type { SensorVerdict } from '../../scoring/score-result.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { storeOn } from '../../storage/mssql/mssql-store.ts';
import { openStore } from '../../storage/open-store.ts';
import type { SeriesBlock, Store } from '../../storage/store.ts';
import { HOP, SHAPE, type Look, type TruthWindow } from '../alarms/truth.ts';
import { tsqlOnSqlite } from '../storage/tsql-on-sqlite.ts';

export const SECRET = Buffer.from('a secret of thirty-two bytes, no more').toString('base64');
export const LENGTH = 300;
export const T0 = Date.UTC(2026, 10, 23, 14);

/** Blobs of a test, kept in memory: only whole blobs are written and read. */
function heldBlobs(): Pick<BlobStore, 'get'> & { readonly held: Map<string, Uint8Array> } {
  const held = new Map<string, Uint8Array>();
  return { held, get: async (_container, name) => held.get(name)! };
}

interface Plant {
  readonly store: Store;
  readonly deps: RaiseDeps;
  readonly ids: readonly number[];
  readonly look: (truths: readonly (readonly TruthWindow[])[], look: Look) => Promise<string>;
}

let plants = 0;

/** @param most items of evidence that are kept of a sensor; of more the predictions are read */
export async function plant(store: Store, sensors: number, most?: number): Promise<Plant> {
  const blobs = heldBlobs();
  const name = `plant-${++plants}`;
  const ids = await store.registerSensors(
    Array.from({ length: sensors }, (_, i) => ({ device: name, sensor: `s${i}` })),
  );
  await store.createRelease(
    name,
    T0,
    ids.map((sensorId) => ({ sensorId, model: 'model-a' })),
    [{ model: 'model-a', bytes: 10, kind: 'onnx', features: ['mean'] }],
  );
  const deps = { store, blobs: blobs as unknown as BlobStore, windows: SHAPE, now: () => T0 + LENGTH * HOP };
  let batches = 0;
  const look: Plant['look'] = async (truths, { from, to }) => {
    const batchId = `${name}-b${++batches}`;
    const period = { fromMs: T0 + from * HOP, toMs: T0 + to * HOP };
    await store.createBatch({
      id: batchId,
      workflowId: 'w',
      runId: batchId,
      kind: 'score',
      release: name,
      sensorIds: ids,
      codeVersion: '1',
      startedAtMs: T0 + batches,
      ...period,
    });
    const { series, result } = scoredBy(ids, truths, { from, to });
    const known = await store.alarmSense({ from: ids[0]!, to: ids.at(-1)! + 1 });
    const names = ids.map((id, i) => ({ id, device: name, sensor: `s${i}` }));
    const content = encodeCsv(names, series, result);
    const blob = `${batchId}.csv`;
    blobs.held.set(blob, content.bytes);
    const sha256 = createHash('sha256').update(content.bytes).digest('hex');
    await store.commitChunk({
      batchId,
      chunk: 'c',
      changeId: 0,
      outcomes: result.verdicts.map(({ sensorId, status, windows, anomalies }) =>
        status === 'scored'
          ? { sensorId, status, windows, anomalies, attempt: 1, model: 'model-a' }
          : { sensorId, status: 'skipped', class: 'no_data', windows: 0, anomalies: 0, attempt: 1 },
      ),
      file: { chunk: 'c', blob, rows: content.rows, bytes: content.bytes.byteLength, sha256 },
      signals: signalsOf({
        sensors: [],
        series,
        result,
        period,
        shape: SHAPE,
        known,
        ...(most === undefined ? {} : { most }),
      }),
    });
    await store.finishBatch(batchId, { status: 'completed', manifest: 'm', finishedAtMs: T0 + batches });
    return batchId;
  };
  return { store, deps, ids, look };
}

/** What the engine would say of these windows. */
function scoredBy(ids: readonly number[], truths: readonly (readonly TruthWindow[])[], { from, to }: Look) {
  const rows = ids.flatMap((sensorId, i) =>
    truths[i]!.filter(({ at }) => at >= from && at < to).map((window) => ({ sensorId, ...window })),
  );
  const column = (of: (row: (typeof rows)[number]) => number): Float64Array => Float64Array.from(rows, of);
  const empty = new Float64Array(rows.length);
  const series: SeriesBlock = {
    length: rows.length,
    sensorId: column(({ sensorId }) => sensorId),
    startMs: column(({ at }) => T0 + at * HOP),
    mean: column(({ value }) => value),
    count: empty,
    min: empty,
    max: empty,
    last: empty,
    changeId: 0,
  };
  const verdicts = ids.map((sensorId): SensorVerdict => {
    const own = rows.filter((row) => row.sensorId === sensorId);
    const base = { sensorId, windows: own.length, anomalies: own.filter(({ score }) => score < 0).length, leftOut: 0 };
    return own.length > 0 ? { ...base, status: 'scored' } : { ...base, status: 'skipped', class: 'no_data' };
  });
  const result = {
    verdicts,
    scored: new Uint8Array(rows.length).fill(1),
    anomaly: Uint8Array.from(rows, ({ score }) => (score < 0 ? 1 : 0)),
    score: column(({ score }) => score),
  };
  return { series, result };
}

/** As the machine's tests show alarms; times from the beginning of the test. */
export const shown = (alarms: readonly Alarm[]): unknown[] =>
  alarms
    .filter(({ withdrawn }) => !withdrawn)
    .map(({ kind, facts }) => {
      const { firstBatch: _, lastBatch: __, steps, peakMs, clearedMs, ...rest } = facts;
      return {
        kind,
        ...rest,
        sinceMs: rest.sinceMs - T0,
        activeMs: rest.activeMs - T0,
        lastMs: rest.lastMs - T0,
        steps: steps.map((step) => ({ ...step, timeMs: step.timeMs - T0 })),
        ...(peakMs === undefined ? {} : { peakMs: peakMs - T0 }),
        ...(clearedMs === undefined ? {} : { clearedMs: clearedMs - T0 }),
      };
    })
    .sort((a, b) => a.kind.localeCompare(b.kind) || a.sinceMs - b.sinceMs);

export const truths = fc
  .array(fc.tuple(fc.constantFrom('n', 'n', 'a', 'x'), fc.integer({ min: 1, max: 60 })), { minLength: 1 })
  .map((runs): TruthWindow[] => {
    const windows: TruthWindow[] = [{ at: 0, value: 0, score: 1 }];
    let at = 1;
    for (const [kind, count] of runs)
      for (let i = 0; i < count && at < LENGTH; i++, at++)
        if (kind !== 'x') windows.push({ at, value: at, score: kind === 'a' ? -1 : 1 });
    for (; at < LENGTH; at++) windows.push({ at, value: at, score: 1 });
    return windows;
  });
export const cuts = fc
  .array(fc.integer({ min: 1, max: LENGTH - 1 }), { maxLength: 4 })
  .map((marks) => [...new Set([0, ...marks, LENGTH])].sort((a, b) => a - b))
  .map((marks) => marks.slice(1).map((to, i) => ({ from: marks[i]!, to })));

export const silent = { ...DEFAULT_RULE, silentMs: 30 * HOP };
export const RULES = JSON.stringify({ rules: [{ silentAfter: '150s' }] });

export const lost = async (): Promise<never> => {
  throw new FleetscoreError('BLOB_MISSING', 'there is no such blob.');
};

/** What `verify` says of the alarms of a batch. */
export async function foundBy({ store, blobs, now, limits }: RaiseDeps, batchId: string): Promise<string[]> {
  const findings = createFindings();
  const batch = (await store.findBatch(batchId))!;
  await checkAlarms(
    { store, blobs, windows: SHAPE, ...(limits ? { limits } : {}) },
    batch,
    findings,
    now() + 3_600_000,
  );
  return findings.list.map(({ message }) => message);
}

export const ENGINES = {
  SQLite: async (): Promise<Store> => openStore('sqlite::memory:', { create: true }),
  'T-SQL': async (): Promise<Store> => storeOn(tsqlOnSqlite(':memory:')),
};

/** Windows of a sensor that are abnormal between two of them. */
export const badFrom = (from: number, to: number): TruthWindow[] =>
  Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: at > from && at < to ? -1 : 1 }));
