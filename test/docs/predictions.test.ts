/** The queries of docs/predictions.md, run as they stand there: they give what the product itself serves. */
import { expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { batchFolder, CONTAINERS, predictionsFolder } from '../../domain/blob-names.ts';
import { createScoringEngine } from '../../scoring/engine.ts';
import { openPredictions } from '../../scoring/export/predictions-cache.ts';
import { whatCounts } from '../../scoring/export/what-counts.ts';
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

const section = (heading: string): string => DOC.slice(DOC.indexOf(`### ${heading}\n`));
const block = (heading: string): string => /```\w+\n([^]*?)```/.exec(section(heading))![1]!;

/** Runs Python with these packages; undefined, and said, where they cannot be had. */
function python(...more: readonly string[]): ((code: string) => Row[]) | undefined {
  const folders = [PACKAGES, ...more.map((one) => [one])].map((packages) =>
    pythonPackages(`A test of the queries of docs/predictions.md, by ${packages.join(', ')},`, packages),
  );
  if (folders.includes(undefined)) return undefined;
  const env = { ...process.env, PYTHONPATH: folders.join(delimiter) };
  return (code) => JSON.parse(execFileSync('python3', ['-c', code], { cwd: dir, env, encoding: 'utf8' })) as Row[];
}

interface Row {
  readonly TS: number;
  readonly Device: string;
  readonly Sensor: string;
  readonly Score: number;
  readonly batch: string;
}

const key = ({ Device, Sensor, TS, batch }: Row): string => `${Device} ${Sensor} ${TS} ${batch}`;
const byKey = (a: Row, b: Row): number => (key(a) < key(b) ? -1 : 1);
/** Length of one sensor's own windows. */
const OWN_MS = 30_000;

test('DuckDB, pandas, Polars and pyarrow read what counts, each window once, as the product serves it', async () => {
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
  await runBatch(
    { ...deps, format: 'parquet' },
    { batchId: 'd-half', fromMs: SMALL_PERIOD.fromMs + 30_000, toMs: SMALL_PERIOD.toMs },
  );
  // One sensor again in windows of its own: beside the fleet's, not in their place.
  const models = (await store.listReleaseModels((await store.currentRelease())!)).map(({ sensorId, model }) => ({
    sensorId,
    model,
  }));
  await store.createRelease(
    'own',
    1,
    models.map((model) => ({ ...model, windowMs: OWN_MS })),
    [],
  );
  const again = { redrive: 'd-half', sensors: ['plant-1/s2'], release: 'own' };
  await runBatch(deps, {
    batchId: 'e-own',
    ...again,
    fromMs: SMALL_PERIOD.fromMs + 30_000,
    toMs: SMALL_PERIOD.toMs,
  });
  await engine.close();
  // What no manifest lists: of an attempt that was replaced.
  const folder = [...(await names(''))].find((name) => name.endsWith('.csv'))!;
  await blobs.put(
    CONTAINERS.predictions,
    `${dirname(folder)}/orphan.csv`,
    await blobs.get(CONTAINERS.predictions, folder),
    'text/csv',
  );
  // One batch lies where versions up to 0.2.0 had it.
  const [now, before] = [predictionsFolder, batchFolder].map((folderOf) => folderOf(SMALL_PERIOD.fromMs, 'a-second'));
  for (const name of await names('')) {
    const file = join(dir, 'predictions', name.replace(now!, before!).replace(`${before}/_`, `${before}/`));
    mkdirSync(dirname(file), { recursive: true });
    const bytes = Buffer.from(await blobs.get(CONTAINERS.predictions, name));
    writeFileSync(file, name.endsWith('.json') ? bytes.toString().replaceAll(now!, before!) : bytes);
  }

  const expected: Row[] = [];
  for (const sensor of await store.listSensors())
    for (const row of await readPredictions({ store, blobs }, sensor, SMALL_PERIOD))
      expected.push({ TS: row.tsMs, Device: row.device, Sensor: row.sensor, Score: row.score, batch: row.batchId });
  expect(expected).toHaveLength(3 * WINDOWS + 1);
  expect(new Set(expected.map(({ batch }) => batch))).toEqual(new Set(['a-second', 'c-late', 'd-half', 'e-own']));
  expected.sort(byKey);

  // An export has the same rows.
  // Also where files are too large to keep all their rows.
  for (const keptRows of [undefined, 10]) {
    const exported: Row[] = [];
    for await (const { batch, rows } of whatCounts({ store, rowsOf: openPredictions(blobs, keptRows) }, SMALL_PERIOD))
      for (const { tsMs, device, sensor, score } of rows)
        exported.push({ TS: tsMs, Device: device, Sensor: sensor, Score: score, batch: batch.id });
    expect(exported.sort(byKey)).toEqual(expected);
  }

  const asJson = `
frame['TS'] = [int(t.timestamp() * 1000) for t in frame['TS']]
print(json.dumps([{k: r[k] for k in ('TS', 'Device', 'Sensor', 'Score', 'batch')} for r in frame.to_dict('records')]))`;
  // Of both formats, as the page says.
  const csv = /read_csv\([^]*?\}\)/.exec(block('DuckDB'))![0];
  const parquet = /read_parquet\('[^)]+\)/.exec(section('DuckDB'))![0];
  const both = `(SELECT * FROM ${csv} UNION ALL BY NAME SELECT * FROM ${parquet})`;
  const sql = block('DuckDB').replace(csv, both);
  expect(run(`import duckdb, json\nframe = duckdb.sql(${JSON.stringify(sql)}).df()${asJson}`).sort(byKey)).toEqual(
    expected,
  );
  expect(run(`${block('pandas')}\nframe = predictions${asJson}`).sort(byKey)).toEqual(expected);
  expect(run(`${block('pyarrow')}\nframe = predictions.to_pandas()${asJson}`).sort(byKey)).toEqual(expected);
  const polars = python('polars==2.1.0');
  const rows = `
print(json.dumps([r | {'TS': int(r['TS'].timestamp() * 1000)} for r in
                  predictions.select('TS', 'Device', 'Sensor', 'Score', 'batch').to_dicts()]))`;
  if (polars) expect(polars(`${block('Polars')}${rows}`).sort(byKey)).toEqual(expected);

  // Only folders of what is asked for are opened: by the names in the query, and by engines that know such names.
  const later = block('DuckDB').replaceAll(/'2026-03-0(\d)T00/g, (_, day) => `'2026-03-0${Number(day) + 2}T00`);
  const macros = later.slice(0, later.lastIndexOf('SELECT'));
  const plan = `EXPLAIN ANALYZE ${later.slice(later.lastIndexOf('SELECT')).split(' ORDER')[0]!}`;
  const opened = run(`import duckdb, json, re
duckdb.sql(${JSON.stringify(macros)})
print(json.dumps(re.findall('Scanning Files: (.*?) ', duckdb.sql(${JSON.stringify(plan)}).fetchall()[0][1])))`);
  expect(opened).toEqual([expect.stringMatching(/^0\/[1-9]/), expect.stringMatching(/^0\/[1-9]/)]);
  const hive = `import json
import pyarrow.dataset as ds
found = ds.dataset('predictions', format='parquet', partitioning='hive', exclude_invalid_files=True)
print(json.dumps([len(list(found.get_fragments(filter=ds.field('from') > at)))
                  for at in ('2026-03-02T10-00-00Z', '2026-03-02T10-00-30Z')]))`;
  expect(run(hive)).toEqual([1, 0]);
  await store.close();

  async function names(prefix: string): Promise<string[]> {
    const all: string[] = [];
    for await (const { name } of blobs.list(CONTAINERS.predictions, prefix)) all.push(name);
    return all;
  }
}, 600_000);
