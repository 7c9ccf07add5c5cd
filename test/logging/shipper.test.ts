/** Lines on their way to Blob: whole, without secrets, bounded in memory, and stored once whatever Blob does. */
import fc from 'fast-check';
import { setTimeout as sleep } from 'node:timers/promises';
import { fork } from 'node:child_process';
import { existsSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { createAppendSink } from '../../logging/append-blob.ts';
import { asJsonLine, LONGEST_LINE, splitLines } from '../../logging/lines.ts';
import { secretsOf } from '../../config.ts';
import { createRedactor } from '../../domain/redact.ts';
import { openLogs, type LogLine } from '../../logging/read.ts';
import { createLogShipper, LEVEL } from '../../logging/shipper.ts';
import { codeFile } from '../../paths.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { startBlobProxy, type BlobProxy } from '../support/blob-proxy.ts';
import { cleanEnv } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('logging');
let server: BlobServer;
let proxy: BlobProxy;
let container: ContainerClient;
beforeAll(async () => {
  server = await startBlobServer(dir);
  proxy = await startBlobProxy(Number(/127\.0\.0\.1:(\d+)/.exec(server.connectionString)![1]));
  const through = server.connectionString.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${proxy.port}`);
  container = BlobServiceClient.fromConnectionString(through, { retryOptions: { maxTries: 1 } }).getContainerClient(
    'logs',
  );
});
afterAll(async () => {
  await proxy.stop();
  await server.stop();
});

const DAY = Date.parse('2026-11-23T10:00:00Z');
const textOf = async (blob: string): Promise<string> =>
  await server.blobs.get('logs', blob).then((bytes) => Buffer.from(bytes).toString());

test('text in any pieces becomes the same lines', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme' }).filter((s) => !/[\r\n]/.test(s) && s !== '')),
      fc.array(fc.integer({ min: 1, max: 7 })),
      (lines, steps) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const split = splitLines();
        const found: string[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const step = steps[i % Math.max(1, steps.length)] ?? 3;
          found.push(...split.push(bytes.subarray(at, at + step)));
          at += step;
        }
        expect([...found, ...split.end()]).toEqual(lines);
      },
    ),
  );
});

test('a line without an end does not fill the memory, and what is left at the end counts', () => {
  const split = splitLines();
  for (let i = 0; i < 100; i++) expect(split.push(Buffer.alloc(10_000, 'x'))).toEqual([]);
  expect(split.end()).toEqual([`${'x'.repeat(LONGEST_LINE)} [cut]`]);
});

test('JSON stays as it is; other text becomes the message of a line', () => {
  expect(asJsonLine('{"level":30,"msg":"x"}', 'stdout', DAY, {})).toBe('{"level":30,"msg":"x"}');
  expect(JSON.parse(asJsonLine('{ oh no }', 'stderr', DAY, { role: 'scoring', pid: 7 }))).toEqual({
    level: 50,
    time: '2026-11-23T10:00:00.000Z',
    role: 'scoring',
    pid: 7,
    stream: 'stderr',
    msg: '{ oh no }',
  });
});

test('no secret gets through: by value of a variable, and by looks', () => {
  const env = {
    FLEETSCORE_BLOB_CONNECTION_STRING: 'AccountName=a;AccountKey=c2VjcmV0LWtleQ==;',
    TEMPORAL_API_KEY: 'tmp-123456789',
    FLEETSCORE_ALERT_URL: 'https://hooks.example/T0/B0/abcdef',
    TEMPORAL_TLS_CLIENT_KEY_DATA: '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END PRIVATE KEY-----',
    FLEETSCORE_HOME: '/var/lib/fleetscore',
  };
  const redact = createRedactor(secretsOf(env));
  const lines = [
    `connecting with ${env.FLEETSCORE_BLOB_CONNECTION_STRING}`,
    `authorization: Bearer ${env.TEMPORAL_API_KEY}`,
    `posting to ${env.FLEETSCORE_ALERT_URL}`,
    '  MIIEvQIBADANBgkqhkiG',
    'Server=x;User=y;Password=hunter2hunter2;Encrypt=true',
    'GET https://a.blob.core.windows.net/c?sv=1&sig=abc%2Bdef%3D&se=2',
    'amqps://user:pass-word-1@host/',
    'Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=k3yk3yk3y=',
  ];
  const text = lines.map(redact).join('\n');
  for (const secret of [
    'c2VjcmV0LWtleQ',
    'tmp-123456789',
    'abcdef',
    'MIIEvQ',
    'hunter2',
    'abc%2Bdef',
    'pass-word-1',
    'k3yk3y',
  ])
    expect(text).not.toContain(secret);
  expect(redact('model 12 of pump-1 / vibration scored in /var/lib/fleetscore')).toBe(
    'model 12 of pump-1 / vibration scored in /var/lib/fleetscore',
  );
});

test('a worker that goes on writing is sent in few appends; a warning does not wait for its turn', async () => {
  const sent: string[] = [];
  let taken: () => void = () => {};
  let clock = DAY;
  const shipper = createLogShipper({
    worker: 'w',
    sink: {
      async append(_, bytes) {
        sent.push(Buffer.from(bytes).toString());
        taken();
      },
    },
    redact: (line) => line,
    base: {},
    flushMs: 5,
    // Time stands still after the first append: the next turn of a steady writer does not come.
    now: () => clock,
  });
  const next = (): Promise<void> => new Promise((resolve) => (taken = resolve));
  const first = next();
  shipper.note(LEVEL.info, 'first');
  await first;
  clock += 1;
  for (let i = 0; i < 50; i++) shipper.note(LEVEL.info, `steady ${i}`);
  const second = next();
  shipper.note(LEVEL.warn, 'trouble');
  await second;
  await shipper.close();
  expect(sent).toHaveLength(2);
  expect(sent[1]!.split('\n')).toHaveLength(52);
});

test('whatever Blob does, lines are stored once, in order', async () => {
  let call = 0;
  // The answer of the first append is lost, the second is refused, one breaks before it gets there.
  proxy.plan(({ method, path }) => {
    if (method !== 'PUT' || !path.includes('comp=appendblock')) return undefined;
    call += 1;
    return call === 1
      ? { kind: 'answer lost' }
      : call === 2
        ? { kind: 'status', status: 503 }
        : call === 4
          ? { kind: 'reset' }
          : undefined;
  });
  const shipper = createLogShipper({
    worker: 'scoring-h-1',
    sink: createAppendSink(container),
    redact: (line) => line,
    base: {},
    flushMs: 20,
    now: () => DAY,
  });
  const lines = Array.from({ length: 300 }, (_, i) => JSON.stringify({ level: 30, time: DAY + i, msg: `line ${i}` }));
  for (let i = 0; i < lines.length; i += 100) {
    shipper.take('stdout', Buffer.from(`${lines.slice(i, i + 100).join('\n')}\n`));
    await sleep(60);
  }
  for (let i = 0; call < 5 && i < 6_000; i++) await sleep(20);
  proxy.plan();
  shipper.note(LEVEL.fatal, 'the process was ended by SIGSEGV');
  // Time stands still for the shipper: only its work ends the close.
  await shipper.close(10_000);
  const stored = (await textOf('2026-11-23/scoring-h-1.jsonl')).trim().split('\n');
  expect(stored.slice(0, -1)).toEqual(lines);
  expect(JSON.parse(stored.at(-1)!)).toMatchObject({ level: 60, msg: 'the process was ended by SIGSEGV' });
});

test('a line of JSON on stderr is no line of a worker: a model could have written it', () => {
  const forged = '{"level":30,"role":"control","msg":"all is well"}';
  expect(JSON.parse(asJsonLine(forged, 'stderr', DAY, { role: 'scoring', pid: 7 }))).toMatchObject({
    role: 'scoring',
    stream: 'stderr',
    msg: forged,
  });
});

test('while Blob is away memory is bounded: the oldest lines go, and their number is told', async () => {
  let away = true;
  const got: string[] = [];
  const shipper = createLogShipper({
    worker: 'w',
    redact: (line) => line,
    base: {},
    flushMs: 5,
    maxWaiting: 2_000,
    sink: {
      append: async (_, bytes) =>
        away ? Promise.reject(new Error('away')) : void got.push(Buffer.from(bytes).toString()),
    },
  });
  for (let i = 0; i < 500; i++) shipper.take('stdout', Buffer.from(`${JSON.stringify({ msg: `line ${i}` })}\n`));
  away = false;
  await shipper.close();
  const lines = got
    .join('')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string; dropped?: number });
  const kept = lines.filter((line) => line.dropped === undefined).map((line) => line.msg);
  const dropped = lines.reduce((sum, line) => sum + (line.dropped ?? 0), 0);
  expect(kept.at(-1)).toBe('line 499');
  expect(kept.length).toBeLessThan(200);
  expect(kept.length + dropped).toBe(500);
});

test('a look finds only what is new, by batch, sensor and level', async () => {
  const put = (lines: object[]) =>
    createAppendSink(container).append(
      '2026-11-23/scoring-h-2.jsonl',
      Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')),
    );
  const at = (level: number, fields: object) => ({ level, time: new Date(DAY).toISOString(), ...fields });
  await put([
    at(30, { msg: 'chunk recorded', batch: 'b1', sensorFrom: 10, sensorTo: 20 }),
    at(40, { msg: 'sensor failed', batch: 'b1', device: 'd', sensor: 's' }),
    at(30, { msg: 'chunk recorded', batch: 'b2', sensorFrom: 20, sensorTo: 30 }),
    at(30, { msg: 'from Temporal', workflowId: 'b1/10-20' }),
    at(30, { msg: 'ready' }),
  ]);
  const logs = openLogs(container);
  const look = async (filter: object): Promise<string[]> => {
    const found: LogLine[] = [];
    await openLogs(container).read(
      { fromMs: DAY - 1, toMs: DAY + 1, worker: 'h-2', ...filter },
      (line) => void found.push(line),
    );
    return found.map(({ message, fields }) => `${message}${fields['batch'] ? ` ${String(fields['batch'])}` : ''}`);
  };
  expect(await look({ batch: 'b1' })).toEqual(['chunk recorded b1', 'sensor failed b1', 'from Temporal']);
  expect(await look({ sensor: { device: 'd', sensor: 's', id: 15 } })).toEqual([
    'chunk recorded b1',
    'sensor failed b1',
  ]);
  expect(await look({ minLevel: 40 })).toEqual(['sensor failed b1']);
  expect(await look({ worker: 'nobody' })).toEqual([]);
  let count = 0;
  const all = { fromMs: DAY - 1, toMs: DAY + 1, worker: 'h-2' };
  await logs.read(all, () => void count++);
  await put([at(30, { msg: 'new' })]);
  await logs.read(all, ({ message }) => expect(message).toBe('new'));
  expect(count).toBe(5);
});

test('the start of the image carries what a dying worker says beside a full disk, and ends as it did', async () => {
  // A worker that says something on both streams and is killed by the system, without a word.
  const worker = join(dir, 'dying.js');
  writeFileSync(
    worker,
    `process.stdout.write('{"level":30,"time":"${new Date().toISOString()}","msg":"at work"}\\n'); ` +
      `process.stderr.write('free(): invalid pointer\\n'); setTimeout(() => process.kill(process.pid, ` +
      `'SIGSEGV'), 50);`,
  );
  const runner = join(dir, 'runner.ts');
  const importOf = (path: string): string => JSON.stringify(codeFile(path));
  writeFileSync(
    runner,
    `
    import { BlobServiceClient } from ${JSON.stringify(import.meta.resolve('@azure/storage-blob'))};
    import { carryWorker } from ${importOf('logging/carry')};
    import { createAppendSink } from ${importOf('logging/append-blob')};
    const container = BlobServiceClient.fromConnectionString(process.env.CONNECTION!).getContainerClient('logs');
    process.stdout.on('error', () => process.exit(9)); // as commands do whose result is lost
    process.exit(await carryWorker({ role: 'scoring', file: ${JSON.stringify(worker)}, env: { ...process.env, FLEETSCORE_NODE: 'node-7' }, sink: createAppendSink(container) }));
  `,
  );
  const child = fork(runner, [], {
    env: { ...cleanEnv(), CONNECTION: server.connectionString },
    stdio: ['ignore', existsSync('/dev/full') ? openSync('/dev/full', 'w') : 'ignore', 'pipe', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  let own = '';
  child.stderr!.on('data', (data: Buffer) => (own += data.toString()));
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(128 + 11);
  expect(own).toContain('free(): invalid pointer');
  const found: LogLine[] = [];
  await openLogs(container).read(
    { fromMs: Date.now() - 600_000, worker: 'scoring/node-7@' },
    (line) => void found.push(line),
  );
  expect(found.map(({ level, message }) => [level, message])).toEqual([
    [30, 'at work'],
    [50, 'free(): invalid pointer'],
    [60, 'the process was ended by SIGSEGV'],
  ]);
});
