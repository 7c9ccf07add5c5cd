/**
 * Alarms of batches, in both stores: what scoring leaves, what is decided once a batch is closed, and that neither the
 * order of batches nor a repeat nor two workers at once change what it comes to.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { signature } from '../../batches/alerts.ts';
import { signalsOf } from '../../batches/alarm-signals.ts';
import { raiseAlarms, tellWaiting, type RaiseDeps } from '../../batches/raise-alarms.ts';
import type { Send } from '../../batches/tell-alarms.ts';
import { DEFAULT_RULE, NO_RULES, ruleFor } from '../../alarms/rules.ts';
import type { Message } from '../../alarms/message.ts';
import { noticesOf } from '../../alarms/notice.ts';
import type { Alarm, AlarmRecord } from '../../domain/alarm.ts';
import { webhookSender } from '../../notify/webhook.ts';
import { createFindings } from '../../verify/findings.ts';
import { checkAlarms } from '../../verify/alarms.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { encodeCsv } from '../../scoring/predictions-csv.ts';
import type { SensorVerdict } from '../../scoring/score-result.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { storeOn } from '../../storage/mssql/mssql-store.ts';
import { openStore } from '../../storage/open-store.ts';
import type { SeriesBlock, Store } from '../../storage/store.ts';
import { HOP, onePass, SHAPE, type Look, type TruthWindow } from '../alarms/truth.ts';
import { tsqlOnSqlite } from '../storage/tsql-on-sqlite.ts';

const SECRET = Buffer.from('a secret of thirty-two bytes, no more').toString('base64');
const LENGTH = 300;
const T0 = Date.UTC(2026, 10, 23, 14);

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

async function plant(store: Store, sensors: number): Promise<Plant> {
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
      signals: signalsOf({ sensors: [], series, result, period, shape: SHAPE, known }),
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
const shown = (alarms: readonly Alarm[]): unknown[] =>
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

const truths = fc
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
const cuts = fc
  .array(fc.integer({ min: 1, max: LENGTH - 1 }), { maxLength: 4 })
  .map((marks) => [...new Set([0, ...marks, LENGTH])].sort((a, b) => a - b))
  .map((marks) => marks.slice(1).map((to, i) => ({ from: marks[i]!, to })));

const silent = { ...DEFAULT_RULE, silentMs: 30 * HOP };
const RULES = JSON.stringify({ rules: [{ silentAfter: '150s' }] });

const lost = async (): Promise<never> => {
  throw new FleetscoreError('BLOB_MISSING', 'there is no such blob.');
};

/** What `verify` says of the alarms of a batch. */
async function foundBy({ store, blobs, now }: RaiseDeps, batchId: string): Promise<string[]> {
  const findings = createFindings();
  const batch = (await store.findBatch(batchId))!;
  await checkAlarms({ store, blobs, windows: SHAPE }, batch, findings, now() + 3_600_000);
  return findings.list.map(({ message }) => message);
}

const ENGINES = {
  SQLite: async (): Promise<Store> => openStore('sqlite::memory:', { create: true }),
  'T-SQL': async (): Promise<Store> => storeOn(tsqlOnSqlite(':memory:')),
};

describe.each(Object.entries(ENGINES))('%s', (_, open) => {
  let store: Store;
  beforeAll(async () => {
    store = await open();
    await store.migrate();
    await store.setAlarmRules({ text: RULES, by: 'test', atMs: 1 });
  });
  afterAll(() => store?.close());

  const loadWindows = async (ids: readonly number[], all: readonly (readonly TruthWindow[])[]): Promise<void> => {
    for (const [i, id] of ids.entries())
      await store.commitReadings({
        source: 'hub',
        partition: String(id),
        expectedSeq: -1,
        throughSeq: 0,
        watermarkMs: 0,
        updates: all[i]!.map(({ at, value }) => ({
          sensorId: id,
          startMs: T0 + at * HOP,
          tsMs: [T0 + at * HOP],
          values: [value],
        })),
        readings: all[i]!.length,
        late: 0,
        dead: 0,
      });
  };

  test('any order of batches, repeats and retries give the alarms of one pass', async () => {
    await fc.assert(
      fc.asyncProperty(fc.tuple(truths, truths), cuts, fc.infiniteStream(fc.nat()), async (both, batches, random) => {
        const { deps, ids, look } = await plant(store, 2);
        await loadWindows(ids, both);
        const order = [...batches, ...batches.slice(0, 2)].map((batch) => ({
          batch,
          key: random.next().value as number,
        }));
        order.sort((a, b) => a.key - b.key);
        const batchIds: string[] = [];
        for (const { batch } of order) {
          const batchId = await look(both, batch);
          batchIds.push(batchId);
          // A retry, and another worker at the same time.
          await Promise.all([raiseAlarms(deps, batchId), raiseAlarms(deps, batchId)]);
          await raiseAlarms(deps, batchId);
        }
        for (const batchId of batchIds) expect(await foundBy(deps, batchId)).toEqual([]);
        for (const [i, sensorId] of ids.entries()) {
          const alarms = await store.listAlarms({ sensorId });
          expect(shown(alarms)).toEqual(onePass(both[i]!, 0, LENGTH, silent).standing());
          // Every event once, without a gap.
          for (const { id, version } of alarms)
            expect((await store.alarmEvents({ alarmId: id })).map((event) => event.id)).toEqual(
              Array.from({ length: version }, (_unused, n) => `${id}.${n + 1}`),
            );
        }
      }),
      { numRuns: 8 },
    );
  });

  test('periods of schedules that overlap by hours give the alarms of one pass', async () => {
    const { deps, ids, look } = await plant(store, 1);
    // Three hours and a half; the first alarm is over long before the second batch begins.
    const length = 2_520;
    const isBad = (at: number): boolean => (at >= 20 && at < 60) || (at >= 1_700 && at < 1_730) || at > 2_500;
    const truth = Array.from({ length }, (_unused, at) => ({ at, value: at, score: isBad(at) ? -1 : 1 }));
    await loadWindows(ids, [truth]);
    for (const [from, to] of [
      [0, 1_800],
      [1_500, 2_400],
      [900, length],
      [0, length],
    ] as const) {
      await raiseAlarms(deps, await look([truth], { from, to }));
      const alarms = await store.listAlarms({ sensorId: ids[0]! });
      for (const { id, version } of alarms)
        expect((await store.alarmEvents({ alarmId: id })).map((event) => event.id)).toEqual(
          Array.from({ length: version }, (_unused, n) => `${id}.${n + 1}`),
        );
    }
    expect(shown(await store.listAlarms({ sensorId: ids[0]! }))).toEqual(onePass(truth, 0, length, silent).standing());
  });

  test('verify finds alarms that predictions do not give, lost events, and a half-told incident', async () => {
    const { deps, ids, look } = await plant(store, 1);
    const bad = Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: at > 9 && at < 40 ? -1 : 1 }));
    const batchId = await look([bad], { from: 0, to: LENGTH });
    await raiseAlarms(deps, batchId);
    expect(await foundBy(deps, batchId)).toEqual([]);
    // Somebody acts between the look at an alarm and the one at its events.
    const busy: Store = {
      ...store,
      alarmEvents: async (query) => {
        await store.actOnAlarm({ do: 'comment', id: query!.alarmId!, user: 'ann', atMs: T0, comment: 'seen' });
        return store.alarmEvents(query);
      },
    };
    expect(await foundBy({ ...deps, store: busy }, batchId)).toEqual([]);
    const [alarm] = await store.listAlarms({ sensorId: ids[0]! });
    const { id, sensorId, kind, facts, marks, incident, version } = alarm!;
    const record = { id, sensorId, kind, facts, marks, incident, version };
    const write = async (changed: AlarmRecord): Promise<void> => {
      const epoch = await store.alarmEpoch();
      expect(await store.commitAlarms({ epoch, alarms: [{ record: changed, changes: [] }], receivedMs: 0 })).toBe(true);
    };
    // A file that is lost is a finding of another check: nothing is said of what rests on it.
    const gone = { ...deps, blobs: { get: lost } as unknown as BlobStore };
    expect(await foundBy(gone, batchId)).toEqual([]);
    await write({ ...record, facts: { ...facts, windows: 31 } });
    expect(await foundBy(deps, batchId)).toEqual([expect.stringContaining(`alarm ${id} (anomaly) is not what`)]);
    await write({ ...record, version: version + 1 });
    expect(await foundBy(deps, batchId)).toEqual([expect.stringContaining(`${version} events, its version is`)]);
    await write(record);
    // Batches of other tests looked further than this one.
    const { late: _late, ...fresh } = alarm!;
    const opened = noticesOf(
      [{ alarm: fresh, events: await store.alarmEvents({ alarmId: id }) }],
      [],
      new Set([batchId]),
      { severity: 1 },
      0,
    ).slice(0, 1);
    const notices = opened.map((notice) => ({ notice, dueMs: 0 }));
    expect(notices).toHaveLength(1);
    expect(await store.addNotices({ by: 'events', epoch: await store.alarmEpoch(), notices, madeMs: 0 })).toBe(true);
    expect(await store.noticesOfIncident(id)).toHaveLength(1);
    expect(await foundBy(deps, batchId)).toEqual([expect.stringContaining('was told by events as begun alone')]);
  });

  test('batches that overlap before the first window of a sensor give the alarms of one pass', async () => {
    const hour = 720;
    const truth = [23, 24, 25].map((h) => ({ at: h * hour, value: h, score: 1 }));
    const looks = [
      { from: 0, to: 24 * hour },
      { from: 6 * hour, to: 25 * hour },
      { from: 18 * hour, to: 26 * hour },
    ] as const;
    for (const order of ['012', '120', '201', '210']) {
      const { deps, ids, look } = await plant(store, 1);
      await loadWindows(ids, [truth]);
      for (const i of order) await raiseAlarms(deps, await look([truth], looks[Number(i)]!));
      expect([order, shown(await store.listAlarms({ sensorId: ids[0]! }))]).toEqual([
        order,
        onePass(truth, 0, 26 * hour, silent).standing(),
      ]);
    }
  });

  test('a batch whose sensors are normal writes nothing but that it was looked at', async () => {
    const { deps, ids, look } = await plant(store, 3);
    const calm = Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: 1 }));
    const epoch = await store.alarmEpoch();
    const batchId = await look([calm, calm, calm], { from: 0, to: LENGTH });
    expect(await raiseAlarms(deps, batchId)).toEqual({ sensors: 0, activated: 0, cleared: 0 });
    expect(await store.alarmEpoch()).toBe(epoch + 1);
    expect(await store.alarmCandidates(batchId, 0, 10, { reordered: true })).toEqual([]);
    expect(await store.listAlarms({ sensorId: ids[0]! })).toEqual([]);
  });

  test('what a person did stays when late data correct an alarm', async () => {
    const { deps, ids, look } = await plant(store, 1);
    const [sensorId] = ids;
    const windows = (anomalous: readonly number[]): TruthWindow[] =>
      Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: anomalous.includes(at) ? -1 : 1 }));
    const before = windows([10, 11, 12, 13]);
    await raiseAlarms(deps, await look([before], { from: 0, to: LENGTH }));
    const [alarm] = await store.listAlarms({ sensorId: sensorId! });
    await store.actOnAlarm({ do: 'ack', id: alarm!.id, user: 'ann', atMs: T0, comment: 'seen' });
    // The windows 8 and 9 came late, and were anomalous too; 30 and 31 are another alarm.
    await raiseAlarms(deps, await look([windows([8, 9, 10, 11, 12, 13, 30, 31])], { from: 0, to: 150 }));
    const [late, corrected] = await store.listAlarms({ sensorId: sensorId! });
    expect(corrected).toMatchObject({
      id: alarm!.id,
      acked: true,
      corrected: true,
      facts: { sinceMs: T0 + 8 * HOP, windows: 6 },
      marks: { comment: { text: 'seen' } },
    });
    expect(late).toMatchObject({ late: true, acked: false, active: false, retain: true });
    // Nothing supports them any more.
    await raiseAlarms(deps, await look([windows([])], { from: 0, to: 150 }));
    expect(await store.listAlarms({ sensorId: sensorId! })).toMatchObject([
      { id: late!.id, withdrawn: true, retain: true },
      { id: alarm!.id, withdrawn: true, acked: true, retain: false },
    ]);
    const changes = (await store.alarmEvents({ alarmId: alarm!.id })).map(({ change }) => change);
    expect(changes).toEqual(['activated', 'cleared', 'acked', 'corrected', 'withdrawn']);
  });

  const badFrom = (from: number, to: number): TruthWindow[] =>
    Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: at > from && at < to ? -1 : 1 }));

  test('the webhook hears once of an opening and once of its end, signed, also after trouble', async () => {
    const own = await open();
    const heard: { readonly id: string; readonly type: string; readonly signed: boolean }[] = [];
    let failures = 0;
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (piece: Buffer) => (body += piece.toString()));
      request.on('end', () => {
        const { id, type } = JSON.parse(body) as { id: string; type: string };
        const expected = signature(SECRET, id, body, Number(request.headers['webhook-timestamp']) * 1_000);
        response.statusCode = failures-- > 0 ? 400 : 204;
        if (response.statusCode === 204)
          heard.push({ id, type, signed: request.headers['webhook-signature'] === expected['webhook-signature'] });
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const types = (): (string | undefined)[] => heard.map(({ type }) => type.split('.').at(-1));
    try {
      await own.migrate();
      await own.setAlarmRules({ text: JSON.stringify({ rules: [], notify: { severity: 450 } }), by: 'test', atMs: 2 });
      const { deps, look } = await plant(own, 2);
      let nowMs = deps.now();
      const webhook = webhookSender({ url, secret: SECRET }, () => undefined);
      const told = { ...deps, now: () => nowMs, senders: { webhook } };
      const bad = badFrom(90, 110);
      const first = await look([bad, bad], { from: 0, to: 100 });
      // The two sensors are of one device: one incident once they are put together.
      await Promise.all([raiseAlarms(told, first), raiseAlarms(told, first)]);
      await raiseAlarms(told, first);
      expect(types()).toEqual(['opened']);
      failures = 1;
      await raiseAlarms(told, await look([bad, bad], { from: 100, to: 200 }));
      await raiseAlarms(told, await look([bad, bad], { from: 200, to: LENGTH }));
      expect(types()).toEqual(['opened']);
      nowMs += 300_000;
      await tellWaiting(told);
      await tellWaiting(told);
      expect(types()).toEqual(['opened', 'closed']);
      expect(heard.every(({ signed }) => signed)).toBe(true);
      const [alarm] = await own.listAlarms();
      expect(await own.noticesOfIncident(alarm!.incident)).toMatchObject([
        { by: 'webhook', notice: { what: 'opened' }, message: heard[0]!.id },
        { by: 'webhook', notice: { what: 'closed' }, message: heard[1]!.id },
      ]);
      expect(await own.openNotices('webhook')).toEqual([]);
    } finally {
      await own.close();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test('quiet hours hold notices back until their end, as one, but not a severe one', async () => {
    const own = await open();
    try {
      await own.migrate();
      // The test's clock stands at 14:25 UTC: 15:25 in Berlin.
      const quiet = { from: '15:00', to: '17:00', zone: 'Europe/Berlin', severity: 800 };
      const rules = [{ sensor: 's3', severity: 900 }];
      const notify = { by: 'email', to: 'ann@plant.example', quiet, perHour: 2 };
      await own.setAlarmRules({ text: JSON.stringify({ rules, notify }), by: 'test', atMs: 2 });
      const sent: Message[] = [];
      const email: Send = async (message) => sent.push(message) > 0;
      let nowMs = T0 + LENGTH * HOP;
      // A device each: no two belong together.
      const plants = [];
      for (let i = 0; i < 4; i++) plants.push(await plant(own, i === 3 ? 4 : 1));
      const told = (deps: RaiseDeps): RaiseDeps => ({ ...deps, now: () => nowMs, senders: { email } });
      const calm = badFrom(LENGTH, LENGTH);
      for (const [i, { deps, look }] of plants.entries()) {
        const bad = badFrom(20, i === 0 ? 40 : LENGTH);
        await raiseAlarms(told(deps), await look(i === 3 ? [calm, calm, calm, bad] : [bad], { from: 0, to: LENGTH }));
      }
      expect(sent.map(({ what, severity }) => [what, severity])).toEqual([['opened', 900]]);
      nowMs = Date.UTC(2026, 10, 23, 15, 59, 59);
      await tellWaiting(told(plants[0]!.deps));
      expect(sent).toHaveLength(1);
      nowMs += 1_000;
      await tellWaiting(told(plants[0]!.deps));
      expect(sent).toHaveLength(2);
      expect(sent[1]).toMatchObject({ what: 'digest', text: '3 incidents: 2 go on, 1 is over' });
      await tellWaiting(told(plants[0]!.deps));
      expect(sent).toHaveLength(2);
    } finally {
      await own.close();
    }
  });

  test('alarms of a batch that was lost with its worker are decided on by the next one', async () => {
    const { deps, ids, look } = await plant(store, 1);
    const bad = Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: at < 10 ? -1 : 1 }));
    await look([bad], { from: 0, to: 100 });
    const next = await look([bad], { from: 100, to: LENGTH });
    await raiseAlarms({ ...deps, now: () => T0 + 3_600_000 }, next);
    expect(await store.listAlarms({ sensorId: ids[0]! })).toHaveLength(1);
  });
});

test('the rule of a sensor without rules is the default', () => {
  expect(ruleFor(NO_RULES, { device: 'd', sensor: 's' }, 'r')).toEqual(DEFAULT_RULE);
});
