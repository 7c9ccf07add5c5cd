/** The queries of docs/predictions.md, run as they stand there: they give what the product itself serves. */
import { expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { createScoringEngine } from '../../scoring/engine.ts';
import { readPredictions } from '../../scoring/read-predictions.ts';
import { SMALL_PERIOD, smallStore, WINDOW_MS, WINDOWS } from '../support/batch-fixture.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { pythonPackages } from '../support/python-packages.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('analyst');
const server = useBlobServer(join(dir, 'blob'));
const DOC = readFileSync(new URL('../../docs/predictions.md', import.meta.url), 'utf8');
const PACKAGES = ['duckdb==2.0.1', 'pandas==3.1.1', 'pyarrow==26.0.1', 'numpy==2.4.6'];
const block = (language: string): string => new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(DOC)![1]!;

/** Runs Python with DuckDB and pandas; undefined, and said, where its packages cannot be had. */
function python(): ((code: string) => unknown) | undefined {
  const folder = pythonPackages('The test of the queries of docs/predictions.md', PACKAGES);
  if (folder === undefined) return undefined;
  const env = { ...process.env, PYTHONPATH: folder };
  return (code) => JSON.parse(execFileSync('python3', ['-c', code], { cwd: dir, env, encoding: 'utf8' })) as unknown;
}

interface Row {
  readonly TS: number;
  readonly Device: string;
  readonly Sensor: string;
  readonly Score: number;
  readonly batch: string;
}

test('DuckDB and pandas read what counts, each window once, as the product serves it', async () => {
  const run = python();
  if (!run) return;
  const { blobs } = server;
  const { store } = await smallStore(dir, blobs);
  const engine = await createScoringEngine({ blobs, cacheDir: join(dir, 'cache'), threads: 1 });
  const deps = { store, blobs, engine, hopMs: WINDOW_MS };
  // Twice over one period, then again for the one sensor whose readings came late; and a period that overlaps.
  for (const batchId of ['b-first', 'a-second']) await runBatch(deps, { batchId, ...SMALL_PERIOD });
  const late = { sensorId: 1, startMs: SMALL_PERIOD.fromMs, tsMs: [SMALL_PERIOD.fromMs + 1], values: [99] };
  const progress = {
    source: 'h',
    partition: '0',
    expectedSeq: -1,
    throughSeq: 0,
    watermarkMs: 0,
    readings: 1,
    late: 1,
    dead: 0,
  };
  await store.commitReadings({ ...progress, updates: [late] });
  await runBatch(deps, { batchId: 'c-late', rescore: true, ...SMALL_PERIOD });
  await runBatch(deps, { batchId: 'd-half', fromMs: SMALL_PERIOD.fromMs + 30_000, toMs: SMALL_PERIOD.toMs });
  await engine.close();
  // What no manifest lists: of an attempt that was replaced.
  const folder = [...(await names(''))].find((name) => name.endsWith('.csv'))!;
  await blobs.put(
    CONTAINERS.predictions,
    `${dirname(folder)}/orphan.csv`,
    await blobs.get(CONTAINERS.predictions, folder),
    'text/csv',
  );
  for (const name of await names('')) {
    const file = join(dir, 'predictions', name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, await blobs.get(CONTAINERS.predictions, name));
  }

  const expected: Row[] = [];
  for (const sensor of await store.listSensors())
    for (const row of await readPredictions({ store, blobs }, sensor, SMALL_PERIOD))
      expected.push({ TS: row.tsMs, Device: row.device, Sensor: row.sensor, Score: row.score, batch: row.batchId });
  expect(expected).toHaveLength(3 * WINDOWS);
  expect(new Set(expected.map(({ batch }) => batch))).toEqual(new Set(['a-second', 'c-late', 'd-half']));

  const asJson = `
frame['TS'] = [int(t.timestamp() * 1000) for t in frame['TS']]
print(json.dumps([{k: r[k] for k in ('TS', 'Device', 'Sensor', 'Score', 'batch')} for r in frame.to_dict('records')]))`;
  const sql = JSON.stringify(block('sql'));
  expect(run(`import duckdb, json\nframe = duckdb.sql(${sql}).df()${asJson}`)).toEqual(expected);
  expect(run(`${block('python')}\nframe = predictions${asJson}`)).toEqual(expected);
  await store.close();

  async function names(prefix: string): Promise<string[]> {
    const all: string[] = [];
    for await (const { name } of blobs.list(CONTAINERS.predictions, prefix)) all.push(name);
    return all;
  }
}, 600_000);
