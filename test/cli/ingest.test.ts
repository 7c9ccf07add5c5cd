/** `fleetscore ingest` on a whole stack: status, dead letters, rebuild, the settings of the worker, and its metrics. */
import { jest } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { listDeadLetters, type StoredDeadLetter } from '../../ingest/dead-letters.ts';
import { openProducer } from '../../connect/event-hubs.ts';
import { runCli, startCli } from '../support/cli.ts';
import { useStack } from '../support/local-stack.ts';

const SETTINGS = { FLEETSCORE_FILTER_EXCEPT_DEVICES: 'spare-*', FLEETSCORE_FIELD_VALUE: 'v,value' };
const stack = useStack('cli-ingest', {
  env: { ...SETTINGS, FLEETSCORE_CAPTURE_INTERVAL: '1s', FLEETSCORE_METRICS_PORT: 'auto' },
});
const { home } = stack;
const cli = (...args: string[]) => runCli(home, args, SETTINGS);
jest.setTimeout(180_000);

const T0 = Date.parse('2026-03-02T10:00:00Z');
const SENSORS = ['temperature', 'pressure'];
const SECONDS = 60;

interface Status {
  readonly eventHubs: { readonly configured: boolean; readonly answers: boolean };
  readonly partitions: readonly {
    partition: string;
    source: string;
    lastEnqueued: number | null;
    applied: number;
    captured: number;
    lagEvents: number | null;
    watermark: string | null;
    watermarkAgeSeconds: number | null;
    readings: number;
    readingsPerSecond: number | null;
    late: number;
    dead: number;
    updated: string | null;
  }[];
}
interface Letter {
  readonly name: string;
  readonly partition: string;
  readonly sequenceNumber: number;
  readonly reason: string;
  readonly body: string;
  readonly encoding: string;
  readonly bytes: number;
}

const status = async (): Promise<Status> => (await cli('--json', 'ingest', 'status')).json() as Status;
const progress = async () => (await stack.context.store()).listProgress();
async function kept(): Promise<StoredDeadLetter[]> {
  const found: StoredDeadLetter[] = [];
  for await (const letter of listDeadLetters(stack.context.blobs())) found.push(letter);
  return found;
}
const letters = async (...args: string[]): Promise<Letter[]> =>
  (await cli('--json', 'ingest', 'deadletters', ...args)).json() as Letter[];
const sum = (all: Status, of: (p: Status['partitions'][number]) => number): number =>
  all.partitions.reduce((total, p) => total + of(p), 0);

/** Events as they are, to be taken or not. */
async function send(...bodies: (string | Buffer)[]): Promise<void> {
  const producer = openProducer(stack.context.config);
  try {
    await producer.sendBatch(
      bodies.map((body) => ({ body: Buffer.from(body) })),
      { partitionId: '3' },
    );
  } finally {
    await producer.close();
  }
}

/** Ends with the time limit of the test when it waits in vain. */
async function until<T>(look: () => Promise<T>, good: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await look();
    if (good(value)) return value;
    await sleep(200);
  }
}

const windows = async () => {
  const store = await stack.context.store();
  const sensors = await store.listSensors();
  return Promise.all(
    sensors.map(async ({ id, device, sensor }) => [
      device,
      sensor,
      await store.readSensorWindows(id, { fromMs: T0, toMs: T0 + SECONDS * 1_000 }),
    ]),
  );
};

const logOf = (role: string): string[] => readFileSync(join(home, 'logs', `${role}.log`), 'utf8').split('\n');

function metricsUrl(role: string): string {
  for (const line of logOf(role)) {
    const metrics = /"metrics":"(http[^"]+)"/.exec(line)?.[1];
    if (metrics !== undefined) return metrics;
  }
  throw new Error(`the log of the ${role} worker names no metrics`);
}

test('status tells of every partition: lag, watermark, readings, what was late and dead', async () => {
  const file = join(home, 'readings.csv');
  const rows = ['TS,Device,Sensor,Value'];
  for (let second = 0; second < SECONDS; second++)
    for (const device of ['boiler-1', 'spare-1'])
      for (const sensor of SENSORS)
        rows.push(`${new Date(T0 + second * 1_000).toISOString()},${device},${sensor},${second}`);
  writeFileSync(file, `${rows.join('\n')}\n`);
  expect(await cli('send', file, '--wait')).toMatchObject({ code: 0 });
  // A second name of the field; then one that is late.
  await send(
    JSON.stringify([T0 + 3_600_000, T0].map((ts, i) => ({ ts, device: 'boiler-2', sensor: 'temperature', v: i }))),
  );

  await until(progress, (all) => all.some((p) => p.late === 1));
  const all = await status();
  expect(all.eventHubs).toMatchObject({ configured: true, answers: true });
  expect(all.partitions.map((p) => p.partition)).toEqual(['0', '1', '2', '3']);
  // Half of the file is of a device that the filter leaves out.
  expect(sum(all, (p) => p.readings)).toBe(SENSORS.length * SECONDS + 2);
  for (const p of all.partitions)
    expect(p).toMatchObject({ source: 'localhost/readings/$default', lastEnqueued: p.applied, lagEvents: 0, dead: 0 });
  const third = all.partitions[3]!;
  expect(third).toMatchObject({
    watermark: new Date(T0 + 3_600_000 - 30_000).toISOString(),
    late: 1,
    updated: expect.any(String),
    readingsPerSecond: expect.any(Number),
  });
  expect(third.watermarkAgeSeconds).toBeGreaterThan(0);
  expect((await (await stack.context.store()).listSensors()).map(({ device }) => device)).not.toContain('spare-1');

  const text = await cli('ingest', 'status', '--rate-over', '10ms');
  expect(text.code).toBe(0);
  expect(text.stdout).toMatch(/Source: +localhost\/readings\/\$default/);
  expect(text.stdout).toMatch(/Late: +1\n/);
});

test(
  'a batch that waits for its readings goes on without who started it, says how far they are and must be, and ' +
    'can be cancelled',
  async () => {
    // A batch needs a release; this one waits, and never comes to its models.
    const store = await stack.context.store();
    const [sensorId] = await store.registerSensors([{ device: 'boiler-1', sensor: 'pressure' }]);
    const model = 'a'.repeat(64);
    await store.createRelease(
      'waiting',
      Date.now(),
      [{ sensorId: sensorId!, model }],
      [{ model, bytes: 1, kind: 'onnx', features: ['mean'] }],
    );
    await store.setCurrentRelease('waiting');
    const toMs = Math.floor(Date.now() / 5_000) * 5_000;
    const period = ['--from', new Date(toMs - 60_000).toISOString(), '--to', new Date(toMs).toISOString()];
    const running = startCli(home, ['batch', 'run', ...period, '--wait'], SETTINGS);
    let said = '';
    for (const stream of [running.stdout, running.stderr])
      stream.on('data', (data: Buffer) => (said += data.toString()));
    const ended = new Promise((resolve) => running.on('close', resolve));
    await until(
      async () => said,
      (words) => words.includes('waits for readings'),
    );
    running.kill('SIGINT');
    expect(await ended).toBe(1);
    const batch = /Batch (\S+) goes on without us/.exec(said)![1]!;
    const shown = await until(
      async () => (await cli('--json', 'batch', 'show', batch)).stdout,
      (out) => out.includes('readingsNeededUpTo": "'),
    );
    expect(JSON.parse(shown)).toMatchObject({
      id: batch,
      status: 'waiting',
      phase: 'waiting for readings',
      readingsUpTo: expect.stringMatching(/^2026-03-02T10:/),
      readingsNeededUpTo: new Date(toMs).toISOString(),
    });
    expect((await cli('batch', 'show', batch)).stdout).toMatch(
      /Status: +waiting for readings\nReadings: +complete up to 2026-03-02 10:.* UTC, needed up to .* UTC\n/,
    );
    expect(await cli('batch', 'cancel', batch)).toMatchObject({ code: 0 });
    // It was on record from its start on, and stays there.
    await until(
      async () => (await cli('--json', 'batch', 'show', batch)).stdout,
      (out) => out.includes('"status": "cancelled"'),
    );
    expect((await cli('batch', 'show', "x' OR '1'='1")).stderr).toContain('there is no batch');
  },
);

test('dead letters are listed with the reason, and sent again', async () => {
  expect((await cli('ingest', 'deadletters')).stdout).toBe('No dead letters below localhost/readings/.\n');
  await send(
    'not json',
    JSON.stringify({ ts: T0, device: 'boiler-1', sensor: 'pressure' }),
    Buffer.from([0xff, 0xfe, 0x00]),
  );
  await until(kept, (found) => found.length === 3);
  const before = await letters();
  expect(before.map(({ partition, reason, encoding }) => [partition, reason, encoding])).toEqual([
    ['3', 'not_json', 'text'],
    ['3', 'missing_field', 'text'],
    ['3', 'bad_encoding', 'base64'],
  ]);
  expect(before[0]).toMatchObject({ body: 'not json', bytes: 8 });
  expect(before[2]).toMatchObject({ body: '//4A', bytes: 3 });
  expect(await letters('--limit', '1')).toEqual([before[0]]);
  const text = (await cli('ingest', 'deadletters', '--limit', '2')).stdout;
  expect(text).toMatch(/3 +\d+ +not_json +not json\n/);
  expect(text).toContain('--limit shows more');

  // They are still wrong: each comes back as an event of its own.
  expect((await cli('--json', 'ingest', 'deadletters', '--replay')).json()).toEqual({
    prefix: 'localhost/readings/',
    sent: 3,
  });
  const after = await until(kept, (found) => found.length === 3);
  expect(after.map(({ text, body }) => text ?? body).sort()).toEqual(before.map(({ body }) => body).sort());
  for (const { name } of before) expect(after.map((letter) => letter.name)).not.toContain(name);
  expect((await cli('ingest', 'deadletters', '--replay', '--prefix', 'localhost/elsewhere/')).stdout).toBe(
    'No dead letters below localhost/elsewhere/.\n',
  );
  // Letters are written before the progress that counts them.
  await until(progress, (all) => all.reduce((dead, p) => dead + p.dead, 0) === 6);
});

test('windows that were lost come back from raw capture, the same ones', async () => {
  await until(progress, (all) => all.every((p) => p.capturedSeq === p.appliedSeq));
  const before = await windows();
  expect(before.map(([device, sensor, rows]) => [device, sensor, (rows as unknown[]).length])).toEqual(
    expect.arrayContaining([
      ['boiler-1', 'pressure', 12],
      ['boiler-1', 'temperature', 12],
      ['boiler-2', 'temperature', 1],
    ]),
  );
  const store = await stack.context.store();
  await store.prune({ windowsBeforeMs: T0 + SECONDS * 1_000 });
  expect((await windows()).every(([, , rows]) => (rows as unknown[]).length === 0)).toBe(true);
  const period = ['--from', new Date(T0).toISOString(), '--to', new Date(T0 + SECONDS * 1_000).toISOString()];
  const result = await cli('--json', 'ingest', 'rebuild', ...period);
  expect(result.stderr).toBe('');
  expect(result.json()).toMatchObject({ readings: SENSORS.length * SECONDS + 1, dead: 6 });
  expect(await windows()).toEqual(before);
  const again = await cli('ingest', 'rebuild', ...period);
  expect(again.stdout).toContain(`${SENSORS.length * SECONDS + 1} readings of the period merged into windows`);
  expect(again.stderr).toContain('rebuilding: ');
  expect(await windows()).toEqual(before);
});

test('a send that waits tells what became of its own readings, and fails when one was not taken', async () => {
  const file = join(home, 'mixed.csv');
  const rows = [
    `${new Date(T0 + 7_200_000).toISOString()},boiler-3,flow,1`,
    `${new Date(T0 + 7_200_000).toISOString()},boiler-3,flow,1`,
    `${new Date(Date.now() + 7_200_000).toISOString()},boiler-3,flow,2`,
    `1970-01-01T00:16:40Z,boiler-3,flow,3`,
    `${new Date(T0).toISOString()},spare-1,flow,4`,
  ];
  writeFileSync(file, `TS,Device,Sensor,Value\n${rows.join('\n')}\n`);
  const first = await cli('--json', 'send', file, '--wait');
  expect(first.code).toBe(1);
  expect(first.json()).toMatchObject({
    sent: 5,
    ingested: false,
    became: { inWindows: 3, duplicates: 1, tooLate: 0, filtered: 1, dead: { time_out_of_range: 1 } },
  });
  const again = await cli('send', file, '--wait');
  expect(again.stdout).toMatch(/5 readings sent in .*\.\nIn windows: 3 \(3 duplicates, which count once; 1 late\)\. /);
  expect(again.stdout).toContain(
    'Left out by the filter: 1.\nNot taken: 1 (1 time_out_of_range).\nWhy, event by event',
  );
  const good = join(home, 'good.csv');
  writeFileSync(good, `TS,Device,Sensor,Value\n${rows[0]}\n`);
  expect(await cli('send', good, '--wait')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(', all ingested.'),
  });

  // Times of before 1973 are where they say, and the readings of a window are shown with their events.
  const shown = (await cli('--json', 'readings', 'boiler-3', 'flow', '1970-01-01T00:16:41Z')).json();
  expect(shown).toMatchObject([{ ts: '1970-01-01T00:16:40.000Z', value: 3 }]);
  await until(progress, (all) => all.every((p) => p.capturedSeq === p.appliedSeq));
  const day = new Date(T0 + 7_200_000).toISOString();
  const text = await cli('readings', 'boiler-3', 'flow', day);
  expect(text.code).toBe(0);
  expect(text.stdout).toMatch(/Reading \(UTC\).*\n.*2026-03-02 12:00:00/);
  expect((await cli('readings', 'boiler-3', 'flow', '2026-03-03')).code).toBe(1);
});

test('the ingest worker and the Temporal workers serve metrics, each on its own port', async () => {
  const page = await until(
    async () => (await fetch(metricsUrl('ingest'))).text(),
    // Reading of a partition begins a while after the start of the worker.
    (text) => /^fleetscore_ingest_partitions\{[^}]*\} 4$/m.test(text),
  );
  const samples = new Map(
    page
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(/ (?=[^ ]+$)/) as [string, string]),
  );
  const partition = (name: string, id: string): string | undefined =>
    samples.get(`fleetscore_ingest_${name}{hub="localhost/readings",consumer_group="$Default",partition="${id}"}`);
  for (const p of await progress()) {
    expect(partition('lag_events', p.partition)).toBe('0');
    expect(partition('readings_total', p.partition)).toBe(String(p.readings));
    expect(partition('late_readings_total', p.partition)).toBe(String(p.late));
    expect(partition('dead_readings_total', p.partition)).toBe(String(p.dead));
  }
  expect(Number(partition('watermark_age_seconds', '3'))).toBeGreaterThan(0);
  expect(samples.get('fleetscore_ingest_source_up{source="event_hubs"}')).toBe('1');
  for (const name of page.matchAll(/^# TYPE (\S+) counter$/gm)) expect(name[1]).toMatch(/_total$/);

  // The same goes to the log.
  const logged = await until(
    async () => logOf('ingest').filter((line) => line.includes('"lagEvents":0')),
    (lines) => lines.length > 0,
  );
  expect(JSON.parse(logged[0]!)).toMatchObject({
    msg: 'ingest',
    stats: {},
    partitions: [{ partition: '0', late: 0, dead: 0 }, {}, {}, { partition: '3' }],
  });

  for (const role of ['control', 'scoring']) {
    const text = await (await fetch(metricsUrl(role))).text();
    expect(text).toMatch(/^temporal_worker_start_total\{/m);
    expect(text).toMatch(/^temporal_request_latency_seconds_bucket\{/m);
  }
});

test('a send that is stopped half way says how far it came', async () => {
  const events = async (): Promise<number> =>
    (await progress()).reduce((total, { appliedSeq }) => total + appliedSeq, 0);
  const before = await events();
  const sending = startCli(home, ['send', join(home, 'readings.csv'), '--rate', '20', '--wait'], SETTINGS);
  sending.stderr.resume();
  const said = text(sending.stdout);
  const ended = new Promise((resolve) => sending.on('close', resolve));
  await until(events, (now) => now > before);
  sending.kill('SIGINT');
  expect(await ended).toBe(1);
  expect(await said).toMatch(
    /\d readings sent in .*\(\d+ events\)\.\nThat is not the whole file\. Send it again for the rest/,
  );
});

test('what does not answer is said, and fails; wrong calls are 2', async () => {
  const silent = await runCli(home, ['--json', 'ingest', 'status'], {
    FLEETSCORE_EVENT_HUBS_CONNECTION_STRING:
      'Endpoint=sb://localhost:1;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;',
  });
  expect(silent.code).toBe(1);
  const seen = silent.json() as Status;
  expect(seen.eventHubs).toMatchObject({
    configured: true,
    answers: false,
    problem: expect.stringContaining('does not answer'),
  });
  expect(sum(seen, (p) => p.readings)).toBeGreaterThan(0);
  expect(seen.partitions.every((p) => p.lagEvents === null)).toBe(true);

  const wrong = await Promise.all([
    cli('ingest', 'rebuild', '--from', '2026-03-02'),
    cli('ingest', 'rebuild', '--from', '2026-03-02', '--to', '2026-03-01'),
    cli('ingest', 'deadletters', '--limit', '5', '--replay'),
    cli('ingest', 'status', '--rate-over', 'soon'),
  ]);
  expect(wrong.map(({ code }) => code)).toEqual([2, 2, 2, 2]);
  expect(wrong[1].stderr).toMatch(/--to .* must be later than --from/);
});
