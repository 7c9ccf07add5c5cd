/** The checker on a batch that is whole, and on one with each kind of damage: it must see every one of them. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { predictionsFolder, CONTAINERS, errorLogBlob, manifestBlob } from '../../domain/blob-names.ts';
import type { Manifest } from '../../domain/manifest.ts';
import { createScoringEngine, type ScoringEngine } from '../../scoring/engine.ts';
import { foundIn, verifyBatch, type VerifyReport } from '../../verify/verify-batch.ts';
import type { WorkflowEnd } from '../../verify/workflow-end.ts';
import { smallStore, SMALL_PERIOD, WINDOW_MS, WINDOWS, type SmallStore } from '../support/batch-fixture.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('verify');
const server = useBlobServer(join(dir, 'blob'));
let small: SmallStore;
let engine: ScoringEngine;

beforeAll(async () => {
  small = await smallStore(dir, server.blobs);
  engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'cache'), threads: 1 });
});
afterAll(async () => {
  await engine?.close();
  await small?.store.close();
});

let batches = 0;

interface Done {
  readonly id: string;
  readonly end: WorkflowEnd;
  readonly manifest: Manifest;
  readonly verify: (end?: WorkflowEnd) => Promise<VerifyReport>;
}

async function batch(sensorsPerActivity = 2): Promise<Done> {
  const id = `20260302T100100Z-${String(++batches).padStart(8, '0')}`;
  const { end } = await runBatch(
    { ...server, blobs: server.blobs, store: small.store, engine, hopMs: WINDOW_MS },
    { batchId: id, ...SMALL_PERIOD, sensorsPerChild: 5, sensorsPerActivity },
  );
  const manifest = JSON.parse(
    Buffer.from(await server.blobs.get(CONTAINERS.predictions, manifestOf(id))).toString(),
  ) as Manifest;
  const verify = (other = end): Promise<VerifyReport> =>
    verifyBatch({ store: small.store, blobs: server.blobs, workflowEnd: async () => other }, id);
  return { id, end, manifest, verify };
}

const manifestOf = (id: string): string => manifestBlob(predictionsFolder(SMALL_PERIOD.fromMs, id));
const messages = (report: VerifyReport): string =>
  report.findings.map(({ check, message }) => `${check}: ${message}`).join('\n');

const rewrite = async (blob: string, change: (text: string) => string): Promise<void> =>
  server.blobs.put(
    CONTAINERS.predictions,
    blob,
    Buffer.from(change(Buffer.from(await server.blobs.get(CONTAINERS.predictions, blob)).toString())),
    'text/csv',
  );

/** Damage that no API of ours can do. */
function sql(statement: string, ...values: (string | number)[]): void {
  const db = new DatabaseSync(join(dir, 'fleet.db'));
  db.prepare(statement).run(...values);
  db.close();
}
const KEY = '(SELECT batch_key FROM batches WHERE id = ?)';

test('a whole batch: nothing is found, everything is counted', async () => {
  const report = await (await batch()).verify();
  expect(messages(report)).toBe('');
  expect(report).toMatchObject({
    status: 'completed',
    planned: 5,
    outcomes: 5,
    files: 2,
    rows: 3 * WINDOWS,
    notes: [],
  });
});

test.each<[string, (done: Done) => Promise<void> | void, RegExp]>([
  [
    'an outcome is gone',
    ({ id }) => sql(`DELETE FROM outcomes WHERE batch_key = ${KEY} AND sensor_id = 2`, id),
    /outcomes: plant-1 \/ s2 was planned and has no outcome/,
  ],
  [
    'a sensor was never planned',
    ({ id }) => sql('UPDATE batches SET max_sensor_id = 4, planned = 4 WHERE id = ?', id),
    /outcomes: plant-1 \/ no-model has an outcome and was not planned/,
  ],
  [
    'an outcome without a reason',
    ({ id }) => sql(`UPDATE outcomes SET class = NULL WHERE batch_key = ${KEY} AND sensor_id = 5`, id),
    /no-model skipped without a class/,
  ],
  [
    'another model on record',
    ({ id }) =>
      sql(
        `UPDATE outcomes SET model_id = (SELECT MAX(id) FROM artifacts) WHERE batch_key = ${KEY} AND sensor_id = 1`,
        id,
      ),
    /s1 has the model [0-9a-f]{64} on record, release \S+ gives it [0-9a-f]{64}/,
  ],
  [
    'a file is gone',
    ({ manifest }) => server.blobs.delete(CONTAINERS.predictions, manifest.files[0]!.blob),
    /files: There is no blob predictions\/.*sensors-000000001-000000003\.csv/,
  ],
  [
    'a file has other bytes',
    ({ manifest }) => rewrite(manifest.files[0]!.blob, (text) => text.replace(',0,', ',1,')),
    /files: .* has SHA-256 \w+, the manifest says \w+\n(.*\n)*rows: plant-1 \/ s1 has 1 anomalies on record, 2 in its file/,
  ],
  [
    'a file lost its end',
    ({ manifest }) => rewrite(manifest.files[1]!.blob, (text) => text.split('\n').slice(0, -3).join('\n') + '\n'),
    /rows: predictions\/.* has 10 rows, the manifest says 12\n(.*\n)*rows: plant-1 \/ s3 had 12 windows read and has 10 predictions/,
  ],
  [
    'a file has a row twice',
    ({ manifest }) => rewrite(manifest.files[0]!.blob, (text) => text.replace(/\n(.*)\n/, '\n$1\n$1\n')),
    /rows: .*the window 2026-03-02T10:00:00.000Z of plant-1 \/ s1 is there twice/,
  ],
  [
    'a file has rows of a stranger',
    ({ manifest }) => rewrite(manifest.files[0]!.blob, (text) => `${text}2026-03-02T10:00:00.000Z,plant-9,s1,1,0,1\n`),
    /rows: the file of sensors-\S+ holds rows of plant-9 \/ s1, which was not planned/,
  ],
  [
    'a file is not a predictions file',
    ({ manifest }) => rewrite(manifest.files[0]!.blob, () => 'hello\n'),
    /files: .*not a predictions file: line 1/,
  ],
  [
    'the manifest is gone',
    ({ id }) => server.blobs.delete(CONTAINERS.predictions, manifestOf(id)),
    /closed: the manifest cannot be read: There is no blob/,
  ],
  [
    'the manifest is half of one',
    ({ id }) => rewrite(manifestOf(id), (text) => text.slice(0, 200)),
    /closed: the manifest cannot be read/,
  ],
  [
    'the manifest misses a file',
    ({ id, manifest }) =>
      rewrite(manifestOf(id), () => JSON.stringify({ ...manifest, files: manifest.files.slice(1) })),
    /files: SQL has predictions\/.* of chunk sensors-000000001-000000003, the manifest does not list it\n(.*\n)*rows: plant-1 \/ s1 was scored, but its chunk sensors-000000001-000000003 has no file/,
  ],
  [
    'the manifest lists a file of another batch',
    ({ id, manifest }) =>
      rewrite(manifestOf(id), () =>
        JSON.stringify({
          ...manifest,
          files: manifest.files.map((file, i) =>
            i === 0 ? { ...file, blob: file.blob.replace(id, 'another') } : file,
          ),
        }),
      ),
    /files: blob of chunk .* in SQL and .* in the manifest\n(.*\n)*files: predictions\/.* is not in the folder of its batch/,
  ],
  [
    'the manifest counts otherwise',
    ({ id, manifest }) =>
      rewrite(manifestOf(id), () =>
        JSON.stringify({ ...manifest, planned: 6, outcomes: { ...manifest.outcomes, scored: 4 } }),
      ),
    /totals: the manifest: planned is 6, it should be 5\ntotals: the manifest: scored is 4, the outcomes add up to 3/,
  ],
  [
    'the totals of the batch are off',
    ({ id }) => sql('UPDATE batches SET anomalies = anomalies + 1 WHERE id = ?', id),
    /totals: the batch: anomalies is 4, the outcomes add up to 3/,
  ],
  [
    'the sums of the chunks are off',
    ({ id }) =>
      sql(`UPDATE chunks SET windows = windows + 1 WHERE batch_key = ${KEY} AND name LIKE 'sensors-000000001%'`, id),
    /totals: the sums of the chunks: windows is \d+, the outcomes add up to \d+/,
  ],
])('%s: it is found', async (_, damage, message) => {
  const done = await batch();
  await damage(done);
  const report = await done.verify();
  expect(messages(report)).toMatch(message);
  expect(foundIn(report)).toBeGreaterThan(0);
});

test('a result of the workflow that says something else is found', async () => {
  const { end, verify } = await batch();
  if (end.state === 'unknown') throw new Error('it has an end');
  const other = { ...end.result!, files: 7, counts: { ...end.result!.counts, skipped: 0 } };
  expect(messages(await verify({ ...end, result: other }))).toBe(
    "totals: the workflow's result: files is 7, it should be 2\n" +
      "totals: the workflow's result: skipped is 0, the outcomes add up to 2",
  );
  expect(messages(await verify({ state: 'failed', name: 'failed' }))).toBe(
    'totals: the workflow is failed, the batch completed',
  );
  expect((await verify({ state: 'unknown', reason: 'it is too long ago' })).notes).toEqual([
    'the workflow was not compared: it is too long ago',
  ]);
});

test('files that no manifest lists are noted, and so is a missing log of a failed sensor', async () => {
  const { id, verify } = await batch();
  await server.blobs.put(
    CONTAINERS.predictions,
    `${predictionsFolder(SMALL_PERIOD.fromMs, id)}/sensors-1.abc.csv`,
    Buffer.from('x'),
    'text/csv',
  );
  sql(
    `UPDATE outcomes SET status = 2, class = 'internal', message = 'm' WHERE batch_key = ${KEY} AND sensor_id = 5`,
    id,
  );
  const report = await verify();
  expect(report.notes).toEqual([
    expect.stringMatching(/sensors-1\.abc\.csv \(1 bytes\) is not in the manifest/),
    expect.stringMatching(/^1 of the first 1 failed sensors have no log/),
  ]);
  await server.blobs.put(
    CONTAINERS.logs,
    errorLogBlob(id, { device: 'plant-1', sensor: 'no-model' }),
    Buffer.from('{}'),
    'application/json',
  );
  expect((await verify()).notes).toHaveLength(1);
});

test('a running batch is refused; one whose workflow is gone is a finding', async () => {
  const { id, verify } = await batch();
  sql("UPDATE batches SET status = 'running', manifest = NULL WHERE id = ?", id);
  await expect(verify({ state: 'running', name: 'running' })).rejects.toMatchObject({
    code: 'BATCH_RUNNING',
    message: expect.stringMatching(/still runs \(5 of 5 sensors have an outcome\)/),
  });
  await expect(verify({ state: 'unknown', reason: 'Temporal does not answer' })).rejects.toMatchObject({
    code: 'BATCH_RUNNING',
  });
  expect(messages(await verify({ state: 'other', name: 'terminated' }))).toMatch(
    /closed: SQL says that it runs, but its workflow is terminated: a control worker that runs closes it within minutes/,
  );
});

test('files of a chunk that came late hold rows nobody serves: noted, not found', async () => {
  const done = await batch(5);
  // Sensor 1 was decided by a half of the chunk, with a file of its own, before the whole chunk was committed.
  const half = `${predictionsFolder(SMALL_PERIOD.fromMs, done.id)}/sensors-000000001-000000002.csv`;
  const text = Buffer.from(await server.blobs.get(CONTAINERS.predictions, done.manifest.files[0]!.blob)).toString();
  const own =
    text
      .split('\n')
      .filter((line) => line.startsWith('TS') || line.includes(',s1,'))
      .join('\n') + '\n';
  await server.blobs.put(CONTAINERS.predictions, half, Buffer.from(own), 'text/csv');
  const { createHash } = await import('node:crypto');
  const file = {
    chunk: 'sensors-000000001-000000002',
    blob: half,
    rows: WINDOWS,
    bytes: own.length,
    sha256: createHash('sha256').update(own).digest('hex'),
  };
  sql(
    'INSERT INTO chunks (batch_key, name, blob, row_count, bytes, sha256, scored, skipped, failed, ' +
      `cancelled, windows, anomalies) VALUES (${KEY}, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0)`,
    done.id,
    file.chunk,
    half,
    file.rows,
    file.bytes,
    file.sha256,
  );
  sql(
    `UPDATE outcomes SET chunk_key = (SELECT MAX(chunk_key) FROM chunks) WHERE batch_key = ${KEY} AND sensor_id = 1`,
    done.id,
  );
  await rewrite(manifestOf(done.id), () =>
    JSON.stringify({ ...done.manifest, rows: done.manifest.rows + WINDOWS, files: [...done.manifest.files, file] }),
  );
  const end = {
    state: 'completed',
    name: 'completed',
    result: { ...(done.end as { result: object }).result, files: 2 },
  } as WorkflowEnd;
  const report = await done.verify(end);
  expect(messages(report)).toBe('');
  expect(report.notes).toEqual([
    'the file of sensors-000000001-000000006 also holds rows of 1 sensors that another chunk decided; ' +
      'they are not served',
  ]);
});
