/** No event, whatever it holds, stops those behind it: neither in the pipeline, nor in a rebuild, nor in the worker. */
import { afterAll, beforeAll, jest } from '@jest/globals';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { FleetscoreError } from '../../domain/errors.ts';
import { listDeadLetters, type StoredDeadLetter } from '../../ingest/dead-letters.ts';
import { rebuildWindows } from '../../ingest/rebuild.ts';
import { createEventParser, deadIn } from '../../ingest/parse-event.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Store } from '../../storage/store.ts';
import { startIngestServers, type IngestServers } from '../support/ingest-servers.ts';
import { until } from '../support/until.ts';
import { tempDir } from '../support/temp.ts';
import { TEXT_SHAPES, VALUE_SHAPES, type Shape } from './hostile-shapes.ts';
import { allWindows, capturedSeqs, expectedWindows, openStage, T0, toEvents, type Stage } from './pipeline-stage.ts';

jest.setTimeout(300_000);
const dir = tempDir('hostile');
let servers: IngestServers;
let blobs: BlobStore;
beforeAll(async () => {
  servers = await startIngestServers(dir, { partitions: 1 });
  ({ blobs } = servers);
}, 60_000);
afterAll(() => servers.stop());

/** A dead letter holds its body once, some problems and little else. */
const bound = (bodyBytes: number): number => Math.ceil(bodyBytes * 1.4) + 120_000;
const good = (i: number) => ({ device: 'good', sensor: 's', ts: T0 + i * 1_000, value: i });

async function lettersOf(prefix: string): Promise<StoredDeadLetter[]> {
  const found: StoredDeadLetter[] = [];
  for await (const letter of listDeadLetters(blobs, prefix)) found.push(letter);
  return found;
}

/** A hostile event, a good one, a hostile one, a good one, ... */
function between(shapes: readonly Shape[]) {
  const events = toEvents(shapes.flatMap((_, i) => [0, good(i)]));
  return events.map((event, i) => {
    if (i % 2 === 1) return event;
    const { body, encoding } = shapes[i / 2]!;
    return { ...event, body, ...(encoding ? { contentEncoding: encoding } : {}) };
  });
}

test.each([
  ['JSON', TEXT_SHAPES],
  ['values of AMQP', VALUE_SHAPES],
])(
  'every hostile shape of %s makes one bounded dead letter or none, and the event behind it is applied',
  async (_, shapes) => {
    const stage = await openStage(dir, blobs);
    try {
      const events = between(shapes);
      const pipeline = await stage.open({ captureBytes: 1024 * 1024 });
      for (let i = 0; i < events.length; i += 10) await pipeline.process(events.slice(i, i + 10));
      await pipeline.close(true);
      const windows = await allWindows(stage.store);
      expect(windows['good/s']).toEqual(expectedWindows(shapes.map((_, i) => good(i)))['good/s']);

      // One letter an event at the most, each as large as its body and not more.
      const bytes = new Map<string, number>();
      for await (const blob of blobs.list('deadletters', `${stage.folder}/`)) bytes.set(blob.name, blob.bytes);
      const letters = await lettersOf(`${stage.folder}/`);
      const seqs = letters.map(({ sequenceNumber }) => sequenceNumber);
      expect(new Set(seqs).size).toBe(seqs.length);
      expect(seqs.every((seq) => seq % 2 === 0)).toBe(true);
      for (const letter of letters) {
        const sent = events[letter.sequenceNumber]!.body;
        expect(bytes.get(letter.name)).toBeLessThan(
          bound(sent instanceof Uint8Array ? sent.length : letter.body.length),
        );
        expect(letter.problems.length).toBeLessThanOrEqual(20);
      }
      // Every shape that is refused is among them.
      const parse = createEventParser();
      const refused = events.filter((event) => event.seq % 2 === 0 && deadIn(parse(event)) > 0).map(({ seq }) => seq);
      expect(seqs).toEqual(expect.arrayContaining(refused));

      // Raw capture has all of them, and a rebuild comes through as well.
      expect(await capturedSeqs(blobs, stage.folder)).toEqual(events.map(({ seq }) => seq));
      await inAnEmptyStore(async (empty) => {
        const result = await rebuild(empty, stage.folder);
        expect(result).toMatchObject({ events: events.length, filesUnreadable: 0 });
        expect((await allWindows(empty.store))['good/s']).toEqual(windows['good/s']);
      });
    } finally {
      await stage.close();
    }
  },
);

async function inAnEmptyStore(work: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = await openStage(dir, blobs);
  try {
    await work(stage);
  } finally {
    await stage.close();
  }
}

const rebuild = (stage: Stage, folder: string) =>
  rebuildWindows({
    store: stage.store,
    blobs,
    hub: { namespace: folder.split('/')[0]!, hub: folder.split('/')[1]! },
    consumerGroup: 'g',
    period: { fromMs: 0, toMs: T0 * 2 },
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });

/** A store that refuses, for good, every commit and registration that has to do with a sensor called `refused`. */
function choosy(store: Store): Store {
  let badId = -1;
  const refusal = () => new FleetscoreError('STORE_ERROR', 'the value does not fit (error 8023)');
  return Object.assign(Object.create(store) as Store, {
    async admitSensors(...args: Parameters<Store['admitSensors']>) {
      const ids = await store.admitSensors(...args);
      const at = args[0].findIndex(({ sensor }) => sensor === 'refused');
      if (at >= 0) badId = ids[at]!;
      return ids;
    },
    async commitReadings(commit: Parameters<Store['commitReadings']>[0]) {
      if (commit.updates.some(({ sensorId }) => sensorId === badId)) throw refusal();
      return store.commitReadings(commit);
    },
  });
}

test('what the store refuses for good is found in its batch, told, set aside and passed; a rebuild passes it too', async () => {
  const stage = await openStage(dir, blobs);
  try {
    const bad = { ...good(0), sensor: 'refused' };
    const events = toEvents([good(0), bad, good(1), [bad, good(2)], good(3)]);
    const pipeline = await stage.open({ longestPauseMs: 100 }, { store: choosy });
    await pipeline.process(events);
    expect(pipeline.appliedSeq).toBe(4);
    await pipeline.close(true);
    expect(await allWindows(stage.store)).toEqual(
      expect.objectContaining(expectedWindows([good(0), good(1), good(3)])),
    );
    const letters = await lettersOf(`${stage.folder}/`);
    expect(letters.map(({ sequenceNumber, reasons }) => [sequenceNumber, reasons])).toEqual([
      [1, { store_refused: 1 }],
      [3, { store_refused: 2 }],
    ]);
    expect(letters[0]!.problems[0]!.message).toContain('error 8023');
    expect(stage.totals).toMatchObject({ events: 5, readings: 3, dead: 3 });
    expect((await stage.store.listProgress())[0]).toMatchObject({ appliedSeq: 4, dead: 3 });
    expect(stage.logged.join('\n')).toContain('an event that the store refuses was set aside');

    await inAnEmptyStore(async (empty) => {
      const result = await rebuild({ ...empty, store: choosy(empty.store) }, stage.folder);
      expect(result).toMatchObject({ readings: 3, dead: 3 });
      expect(result.reasons).toMatchObject([{ reason: 'store_refused', count: 3, seq: 1, letter: true }]);
    });
  } finally {
    await stage.close();
  }
});

test('a store that takes nothing at all sets nothing aside: the events wait until it does', async () => {
  const stage = await openStage(dir, blobs);
  try {
    let refusing = true;
    let refused = 0;
    const pipeline = await stage.open(
      { longestPauseMs: 100 },
      {
        store: (store) =>
          Object.assign(Object.create(store) as Store, {
            async commitReadings(commit: Parameters<Store['commitReadings']>[0]) {
              if (refusing && ++refused) throw new FleetscoreError('STORE_ERROR', 'the file is read-only');
              return store.commitReadings(commit);
            },
          }),
      },
    );
    const processed = pipeline.process(toEvents([good(0), good(1)]));
    await until(() => refused > 6);
    refusing = false;
    await processed;
    expect(await allWindows(stage.store)).toEqual(expectedWindows([good(0), good(1)]));
    expect(await lettersOf(`${stage.folder}/`)).toEqual([]);
    await pipeline.close(true);
  } finally {
    await stage.close();
  }
});

test('a dead letter that Blob refuses for good is written short, and one refused in any form is told and passed', async () => {
  const stage = await openStage(dir, blobs);
  try {
    const put =
      (most: number): BlobStore['putIfAbsent'] =>
      async (container, name, body, type) => {
        if (container === 'deadletters' && body.length > most)
          throw new FleetscoreError('BLOB_ERROR', 'Cannot write it (413 RequestBodyTooLarge).');
        return blobs.putIfAbsent(container, name, body, type);
      };
    const body = Buffer.from('x'.repeat(2_000));
    const events = toEvents([body, good(0), body, good(1)]);
    const short = await stage.open({ longestPauseMs: 100 }, { blobs: { ...blobs, putIfAbsent: put(1_000) } });
    await short.process(events.slice(0, 2));
    await short.close(false);
    expect(await lettersOf(`${stage.folder}/`)).toEqual([
      expect.objectContaining({ sequenceNumber: 0, body: '', leftOut: expect.stringContaining('413') }),
    ]);
    const none = await stage.open({ longestPauseMs: 100 }, { blobs: { ...blobs, putIfAbsent: put(0) } });
    await none.process(events);
    expect(none.appliedSeq).toBe(3);
    await none.close(true);
    expect(stage.totals.lettersLost).toBe(1);
    expect(stage.logged.join('\n')).toContain('a dead letter could not be written, and was passed');
    expect(await allWindows(stage.store)).toEqual(expectedWindows([good(0), good(1)]));
  } finally {
    await stage.close();
  }
});

test('a device registers so many sensors and no more; those that it has go on', async () => {
  const stage = await openStage(dir, blobs);
  try {
    const pipeline = await stage.open({ quota: { perDevice: 3, fleet: 5 } });
    const one = (device: string, sensor: number) => ({ device, sensor: `s${sensor}`, ts: T0, value: sensor });
    await pipeline.process(
      toEvents([[0, 1, 2, 3, 4].map((i) => one('a', i)), [0, 1, 2].map((i) => one('b', i)), one('a', 0), one('a', 9)]),
    );
    await pipeline.close(true);
    const sensors = (await stage.store.listSensors()).map(({ device, sensor }) => `${device}/${sensor}`);
    expect(sensors).toEqual(['a/s0', 'a/s1', 'a/s2', 'b/s0', 'b/s1']);
    const letters = await lettersOf(`${stage.folder}/`);
    expect(letters.map(({ sequenceNumber, reasons }) => [sequenceNumber, reasons])).toEqual([
      [0, { too_many_sensors: 2 }],
      [1, { too_many_sensors: 1 }],
      [3, { too_many_sensors: 1 }],
    ]);
    expect(letters[0]!.problems[0]!.message).toMatch(/"s3" of device "a".*FLEETSCORE_MAX_SENSORS_PER_DEVICE/);
  } finally {
    await stage.close();
  }
});

test('the worker itself takes every hostile shape from Event Hubs, and its memory stays bounded', async () => {
  const sqlUrl = join(dir, 'worker.db');
  const worker = await servers.startWorker(`sqlite:${sqlUrl}`);
  const producer = servers.producer();
  /** How many of the good readings are in windows. */
  const stored = (): number => {
    const db = new DatabaseSync(sqlUrl, { readOnly: true });
    try {
      const good = "SELECT SUM(count) AS n FROM windows JOIN sensors ON sensors.id = sensor_id WHERE device = 'good'";
      return (db.prepare(good).get() as { n: number | null }).n ?? 0;
    } finally {
      db.close();
    }
  };
  const memory = (): number => worker.message('cpu')?.rss as number;
  try {
    const send = async (body: unknown, bodyType?: 'data' | 'value' | 'sequence'): Promise<void> =>
      producer.sendBatch([bodyType ? { body, bodyType } : { body }], { partitionId: '0' });
    await send(Buffer.from(JSON.stringify(good(0))));
    await until(() => stored() === 1);
    await until(() => memory() > 0);
    const atRest = memory();
    let most = 0;
    let next = 1;
    /** Some at a time, so that what is on its way while one is read is bounded; a good one behind each. */
    const sendAll = async (bodies: readonly (readonly [unknown, ('value' | 'sequence')?])[]): Promise<void> => {
      for (let i = 0; i < bodies.length; i += 4) {
        for (const [body, type] of bodies.slice(i, i + 4)) {
          await send(body, type);
          await send(Buffer.from(JSON.stringify(good(next++))));
        }
        await until(() => {
          most = Math.max(most, memory());
          return stored() === next;
        });
      }
    };
    await sendAll(TEXT_SHAPES.map(({ body }) => [body]));
    const map = { ts: new Date(T0), device: 'd', sensor: 's', value: 1, list: [1, 'a', null], bytes: Buffer.from('x') };
    await sendAll([
      [map, 'value'],
      [[map, map], 'value'],
      [[map, 1, 'text', null], 'sequence'],
      ['text', 'value'],
      [null, 'value'],
      [true, 'value'],
      [new Date(T0), 'value'],
      [Buffer.from('{}'), 'value'],
      [Array.from({ length: 20_000 }, () => null), 'value'],
    ]);
    // Garbage is collected later on a busy machine; what a shape can cost without a bound is many times as much.
    expect(most).toBeLessThan(3 * atRest);
    expect(worker.process.exitCode).toBeNull();
  } finally {
    await producer.close();
    worker.process.kill('SIGTERM');
    await worker.ended;
  }
});
