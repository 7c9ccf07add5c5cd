/**
 * The logic and joins of the SQL Server store against the contract, on SQLite: see tsql-on-sqlite.ts for what that
 * shows. Once in this process, once over the wire.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openMssqlStore, storeOn } from '../../storage/mssql/mssql-store.ts';
import { DECIDED } from '../../storage/mssql/outcomes.ts';
import { tsql, type SqlValue } from '../../storage/mssql/statement.ts';
import { STATUSES } from '../../storage/outcome-rows.ts';
import type { AlarmSignal, Store } from '../../storage/store.ts';
import { makeTools, MINUTE, T0 } from './contract-tools.ts';
import { storeContract } from './store-contract.ts';
import { onSqlite } from '../support/tds/on-sqlite.ts';
import { startTdsServer, type TdsServer } from '../support/tds/server.ts';
import { tempDir } from '../support/temp.ts';
import { tsqlOnSqlite } from './tsql-on-sqlite.ts';

storeContract(
  async () => {
    const store = storeOn(tsqlOnSqlite(':memory:'));
    await store.migrate();
    return store;
  },
  { runs: 25 },
);

describe('through the driver and TDS', () => {
  let server: TdsServer;
  storeContract(
    async () => {
      server = await startTdsServer({ engine: onSqlite(join(tempDir('tds'), 'fleet.db')) });
      const store = await openMssqlStore(server.url());
      await store.migrate();
      return store;
    },
    { runs: 5 },
  );
  afterAll(() => server?.close());
});

test('the query of docs/power-bi.md fits the schema, and its words the codes', async () => {
  const db = tsqlOnSqlite(':memory:');
  const store = storeOn(db);
  await store.migrate();
  const page = readFileSync(new URL('../../docs/power-bi.md', import.meta.url), 'utf8');
  const query = /```sql\n([^]*?)```/.exec(page)![1]!;
  const words = query.matchAll(/WHEN (\d) THEN '(\w+)'/g);
  for (const [, code, status] of words) expect(STATUSES[Number(code)]).toBe(status);
  const text = query.replaceAll(
    /DATEADD\(SECOND, ([\w.]+) \/ 1000, '1970-01-01'\)/g,
    "datetime($1 / 1000, 'unixepoch')",
  );
  expect(await db.read((session) => session.query(tsql({}, text), {}))).toEqual([]);
  await store.close();
});

test('a server that keeps versions of rows and has room needs no advice; one that is nearly full is told', async () => {
  const db = tsqlOnSqlite(':memory:');
  const store = storeOn(db);
  await store.migrate();
  expect(await store.advice()).toEqual([]);
  const pragma = (text: string) => db.read((session) => session.query<{ n: number }>(tsql({}, text), {}));
  const [pages] = await pragma('SELECT page_count AS n FROM pragma_page_count');
  await pragma(`PRAGMA max_page_count = ${Math.floor(pages!.n / 0.9)}`);
  expect(await store.advice()).toEqual([
    expect.stringMatching(/^the database is nearly full: [\d.]+ KiB of [\d.]+ KiB\. .*`fleetscore db prune`/),
  ]);
  await store.close();
});

describe('a commit whose answer is lost is done once', () => {
  const open = async (): Promise<{ store: Store; loseNext: () => void }> => {
    let lose = false;
    const store = storeOn(
      tsqlOnSqlite(':memory:', () => {
        const lost = lose;
        lose = false;
        return lost;
      }),
    );
    await store.migrate();
    await store.registerSensors([{ device: 'd', sensor: 's' }]);
    return { store, loseNext: () => (lose = true) };
  };
  const commit = { source: 'h', partition: '0', watermarkMs: 1, readings: 1, late: 0, dead: 0 };
  const updates = [{ sensorId: 1, startMs: 0, tsMs: [1], values: [5] }];

  test('readings', async () => {
    const { store, loseNext } = await open();
    loseNext();
    await store.commitReadings({ ...commit, expectedSeq: -1, throughSeq: 3, updates });
    expect(await store.listProgress()).toMatchObject([{ appliedSeq: 3, readings: 1 }]);
    // The same from another worker later on is a conflict as ever.
    await expect(store.commitReadings({ ...commit, expectedSeq: -1, throughSeq: 3, updates })).rejects.toMatchObject({
      code: 'PROGRESS_CONFLICT',
    });
    await store.close();
  });

  test('a release, a batch and a chunk', async () => {
    const { store, loseNext } = await open();
    loseNext();
    await store.createRelease(
      'r',
      1,
      [{ sensorId: 1, model: 'm' }],
      [{ model: 'm', bytes: 1, kind: 'onnx', features: ['mean'] }],
    );
    await expect(store.createRelease('r', 1, [], [])).rejects.toMatchObject({ code: 'RELEASE_EXISTS' });
    loseNext();
    await store.createBatch({
      id: 'b',
      workflowId: 'w',
      runId: 'r',
      kind: 'score',
      release: 'r',
      codeVersion: '1',
      startedAtMs: 1,
      fromMs: 0,
      toMs: 9,
    });
    loseNext();
    const outcomes = [{ sensorId: 1, status: 'scored', windows: 3, anomalies: 1, model: 'm', attempt: 1 }] as const;
    const counts = await store.commitChunk({ batchId: 'b', chunk: 'c', outcomes, changeId: 0 });
    expect(counts).toMatchObject({ scored: 1, windows: 3 });
    expect(await store.countOutcomes('b')).toEqual(counts);
    await store.close();
  });
});

test('who plans a batch and who commits readings exclude each other, before either looks', async () => {
  const steps: string[] = [];
  const db = tsqlOnSqlite(':memory:');
  const watched: typeof db = {
    ...db,
    write: (work) =>
      db.write((tx) =>
        work({
          ...tx,
          lock: async (resource, mode) => {
            steps.push(`${mode ?? 'Exclusive'} ${resource}`);
            await tx.lock(resource, mode);
          },
          query: async (statement, values) => {
            if (statement.text.includes('MAX(to_ms)')) steps.push('look at plans');
            return tx.query(statement, values);
          },
        }),
      ),
  };
  const store = storeOn(watched);
  await store.migrate();
  const [id] = (await store.registerSensors([{ device: 'd', sensor: 's' }])).values();
  steps.length = 0;
  const commit = { source: 'h', partition: '0', watermarkMs: 1, readings: 1, late: 0, dead: 0 };
  await store.commitReadings({
    ...commit,
    expectedSeq: -1,
    throughSeq: 0,
    updates: [{ sensorId: id!, startMs: 0, tsMs: [1], values: [5] }],
  });
  expect(steps).toEqual(['Shared fleetscore-plans', 'look at plans']);
  steps.length = 0;
  const batch = { id: 'b', workflowId: 'w', runId: 'r', codeVersion: 'v', fromMs: 0, toMs: 1, startedAtMs: 0 };
  // There is no such release; the lock comes before anything is asked.
  await expect(store.createBatch({ ...batch, kind: 'score', release: 'none' })).rejects.toBeInstanceOf(Error);
  expect(steps[0]).toBe('Exclusive fleetscore-plans');
});

test('a text that is longer than its column is refused before the server is asked', async () => {
  const store = storeOn(tsqlOnSqlite(':memory:'));
  await store.migrate();
  await expect(store.registerSensors([{ device: 'd'.repeat(129), sensor: 's' }])).rejects.toMatchObject({
    code: 'TEXT_TOO_LONG',
    retryable: false,
  });
});

test('after an export and import, whose change numbers start anew, late readings are found', async () => {
  const db = tsqlOnSqlite(':memory:');
  const store = storeOn(db);
  await store.migrate();
  const tools = makeTools(() => store);
  const [id] = await tools.sensors(1);
  const period = { fromMs: T0, toMs: T0 + MINUTE };
  await store.commitReadings(tools.commit([tools.reading(id!, 1)]));
  const batch = await tools.newBatch();
  await store.createBatch(batch);
  const { changeId } = await store.readSeries({ from: id!, to: id! + 1 }, period);
  await store.commitChunk(tools.chunk(batch.id, 'c', [tools.scored(id!)], { changeId }));
  await store.finishBatch(batch.id, { status: 'completed', manifest: 'm', finishedAtMs: T0 });
  expect(await store.changedSensors(period)).toEqual([]);
  // The numbers of the old database are far ahead of those of the new one.
  await db.write((tx) => tx.script('UPDATE outcomes SET change_id = change_id + 1000000'));
  await store.commitReadings(tools.commit([tools.reading(id!, 2, T0, T0 + 1)]));
  expect(await store.changedSensors(period)).toEqual([id]);
});

test('models of outcomes that were planned here go by their keys, others by their names', async () => {
  const db = tsqlOnSqlite(':memory:');
  const sent: (readonly (readonly SqlValue[])[])[] = [];
  const store = storeOn({
    ...db,
    write: (work) =>
      db.write((tx) =>
        work({
          ...tx,
          stage: (table, rows) => {
            if (table === DECIDED) sent.push(rows);
            return tx.stage(table, rows);
          },
        }),
      ),
  });
  await store.migrate();
  const ids = await store.registerSensors(['a', 'b', 'c'].map((sensor) => ({ device: 'd', sensor })));
  const models = ids.map((sensorId) => ({ sensorId, model: `m${sensorId}` }));
  const infos = models.map(({ model }) => ({ model, bytes: 1, kind: 'onnx', features: ['mean'] }));
  await store.createRelease('r', 1, models, infos);
  const batch = { id: 'b', workflowId: 'w', runId: 'r', kind: 'score', release: 'r', codeVersion: '1' } as const;
  await store.createBatch({ ...batch, startedAtMs: 1, fromMs: T0, toMs: T0 + MINUTE });
  await store.plannedSensors('b', { from: ids[0]!, to: ids[2]! + 1 });
  const outcomes = models.map(
    ({ sensorId, model }, i) =>
      ({ sensorId, status: 'scored', windows: 1, anomalies: 0, attempt: 1, model: i === 1 ? 'new' : model }) as const,
  );
  await store.commitChunk({ batchId: 'b', chunk: 'c', outcomes, changeId: 0 });
  expect((await store.listOutcomes('b')).map(({ model }) => model)).toEqual(['m1', 'new', 'm3']);
  const [key, name] = ['model_id', 'model'].map((wanted) => DECIDED.columns.findIndex((c) => c.name === wanted));
  expect(sent).toHaveLength(1);
  expect(sent[0]!.map((row) => [typeof row[key!], row[name!]])).toEqual([
    ['number', null],
    ['object', 'new'],
    ['number', null],
  ]);
  await store.close();
});

test('a chunk of one sensor costs eight round trips, and one more where alarms want its windows', async () => {
  const server = await startTdsServer({ engine: onSqlite(join(tempDir('tds-trips'), 'fleet.db')) });
  const store = await openMssqlStore(server.url());
  await store.migrate();
  const keys = ['a', 'b', 'c', 'e'].map((sensor) => ({ device: 'd', sensor }));
  const ids = await store.registerSensors(keys);
  const rules = await store.setAlarmRules({ text: 'rules', by: 'somebody', atMs: 5 });
  const seen = ids.map((sensorId) => ({ sensorId, startMs: T0, tsMs: [T0], values: [5] }));
  const progress = { source: 'h', partition: '0', watermarkMs: T0, readings: 4, late: 0, dead: 0 };
  await store.commitReadings({ ...progress, expectedSeq: -1, throughSeq: 0, updates: seen });
  const models = ids.map((sensorId) => ({ sensorId, model: `m${sensorId}` }));
  const infos = models.map(({ model }) => ({ model, bytes: 1, kind: 'onnx', features: ['mean'] }));
  await store.createRelease('r', 1, models, infos);
  const batch = { id: 'b', workflowId: 'w', runId: 'r', kind: 'score', release: 'r', codeVersion: '1' } as const;
  await store.createBatch({ ...batch, startedAtMs: 1, fromMs: T0, toMs: T0 + MINUTE });
  const trips = (): number =>
    (['begin', 'query', 'bulk', 'commit', 'rollback'] as const).reduce((sum, moment) => sum + server.count(moment), 0);
  // What activities/scoring.ts asks for, in its order.
  const scoreOne = async (id: number, signals: readonly AlarmSignal[] = []): Promise<number> => {
    const before = trips();
    const range = { from: id, to: id + 1, count: 1 };
    await store.plannedSensors('b', range);
    await store.batchChallenger('b');
    const { changeId, length } = await store.readSeries(
      range,
      { fromMs: T0, toMs: T0 + MINUTE },
      { batchId: 'b', columns: 'mean' },
    );
    expect(length).toBe(1);
    expect(await store.alarmSense(range)).toEqual({ rules, live: [] });
    const outcomes = [
      { sensorId: id, status: 'scored', windows: 3, anomalies: 1, model: `m${id}`, attempt: 1 },
    ] as const;
    const file = { chunk: `c${id}`, blob: `b${id}`, rows: 3, bytes: 9, sha256: 's' };
    const commit = (): Promise<unknown> =>
      store.commitChunk({ batchId: 'b', chunk: `c${id}`, outcomes, file, changeId, signals });
    expect(await commit()).toMatchObject({ scored: 1, windows: 3, anomalies: 1 });
    const spent = trips() - before;
    // Again, as after a lost answer: nothing is recorded twice.
    expect(await commit()).toMatchObject({ scored: 1, windows: 3, anomalies: 1 });
    return spent;
  };
  await scoreOne(ids[0]!);
  expect(await scoreOne(ids[1]!)).toBeLessThanOrEqual(8);
  expect(await scoreOne(ids[3]!, [{ sensorId: ids[3]!, items: [] }])).toBeLessThanOrEqual(9);
  expect(await store.countOutcomes('b')).toMatchObject({ scored: 3, windows: 9, anomalies: 3 });
  expect(await store.listOutcomes('b')).toMatchObject([{ model: 'm1' }, { model: 'm2' }, { model: 'm4' }]);
  expect(await store.listFiles('b')).toHaveLength(3);
  // One that failed says by whom, and with a model that no release had.
  const failed = {
    sensorId: ids[2]!,
    status: 'failed',
    class: 'model_failed',
    message: 'x',
    windows: 0,
    anomalies: 0,
  } as const;
  await store.commitChunk({
    batchId: 'b',
    chunk: 'c3',
    outcomes: [{ ...failed, model: 'new', attempt: 2, worker: 'scoring@h#1' }],
    changeId: 0,
  });
  expect((await store.listOutcomes('b', { status: 'failed' }))[0]).toMatchObject({
    model: 'new',
    worker: 'scoring@h#1',
  });
  await store.close();
  await server.close();
}, 60_000);
