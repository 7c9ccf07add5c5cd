/**
 * A whole stack with encrypted payloads and marked secrets: Temporal's database knows no sensor by name, no secret
 * turns up anywhere, and a worker without the key costs nothing but time.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { findTemporal } from '../../local/temporal-binary.ts';
import { startChild, untilReady, type StackChild } from '../../local/child.ts';
import { codeFile } from '../../paths.ts';
import { createPayloadCodec } from '../../payloads/codec.ts';
import { startCodecServer } from '../../payloads/codec-server.ts';
import { parsePayloadKeys } from '../../payloads/keys.ts';
import { SAMPLE_FLEET } from '../../samples/fleet.ts';
import { connectClient } from '../../connect/temporal.ts';
import { TOOLS, type CliResult } from '../support/cli.ts';
import { useStack } from '../support/local-stack.ts';
import { DAMAGED, damageModel, FROM, modelsOf, readingsOf, TO } from '../support/small-fleet.ts';
import { pidsOf } from '../support/stack-pids.ts';
import { startTelemetryReceiver } from '../support/telemetry-receiver.ts';
import { tempDir } from '../support/temp.ts';
import { useWarmCli } from '../support/warm-cli.ts';

const marked = (): string => `MARKED${randomBytes(16).toString('hex')}`;
const [ours, foreign] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];
const SECRETS = {
  FLEETSCORE_PAYLOAD_KEYS: ours,
  FLEETSCORE_CODEC_TOKEN: marked(),
  // The discard port: the alert is sent, and refused.
  FLEETSCORE_ALERT_URL: `http://127.0.0.1:9/hook?code=${marked()}`,
  // Sent with every call; the dev server does not look at it.
  TEMPORAL_API_KEY: marked(),
  OTEL_EXPORTER_OTLP_HEADERS: `x-key=${marked()}`,
} as const;
/** What only the process may know of each: of an address and a header the part that is secret. */
const WANTED: Readonly<Record<string, string>> = {
  ...SECRETS,
  FLEETSCORE_ALERT_URL: SECRETS.FLEETSCORE_ALERT_URL.split('code=')[1]!,
  OTEL_EXPORTER_OTLP_HEADERS: SECRETS.OTEL_EXPORTER_OTLP_HEADERS.split('=')[1]!,
};
const telemetry = await startTelemetryReceiver(tempDir('encrypted-telemetry'));
afterAll(() => telemetry.stop());
const ENV = { ...SECRETS, TEMPORAL_TLS: 'false', OTEL_EXPORTER_OTLP_ENDPOINT: telemetry.url } as const;
const PERIOD = ['--from', FROM, '--to', TO] as const;
const SENSORS = SAMPLE_FLEET.slice(0, 3);
const corrupt = SENSORS[2]!;

const call = useWarmCli();
/** What the commands printed, all of it. */
const printed: string[] = [];
const stack = useStack('encrypted', { env: ENV, scoringWorkers: 0 });

async function cli(args: readonly string[], env: Readonly<Record<string, string>> = ENV): Promise<CliResult> {
  const result = await call(stack.home, args, env);
  printed.push(result.stdout, result.stderr);
  return result;
}

function scoringWorker(keys: string | undefined): StackChild & { readonly logFile: string } {
  const { FLEETSCORE_PAYLOAD_KEYS: _, ...env } = stack.stack.env;
  return startChild({
    name: 'scoring worker',
    file: codeFile('workers/scoring'),
    logFile: join(stack.home, 'logs', `scoring-${randomBytes(3).toString('hex')}.log`),
    env: { ...env, ...(keys === undefined ? {} : { FLEETSCORE_PAYLOAD_KEYS: keys }) },
  });
}

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly workflowId: string;
  readonly counts: Record<string, number>;
  readonly failed: { readonly class: string; readonly message: string }[];
}

let worker: StackChild | undefined;
beforeAll(async () => {
  expect((await cli(['models', 'publish', modelsOf(3, join(stack.home, 'models'))])).code).toBe(0);
  expect((await cli(['send', readingsOf(3, join(stack.home, 'readings.csv')), '--wait'])).code).toBe(0);
}, 240_000);

test('a scoring worker without the key says so and ends; one that has it goes on with the batch', async () => {
  const keyless = scoringWorker(undefined);
  await untilReady(keyless as ReturnType<typeof startChild>, 60_000);
  const { batch, workflowId } = (await cli(['batch', 'run', ...PERIOD, '--json'])).json() as {
    batch: string;
    workflowId: string;
  };
  expect(await keyless.ended).toBe('exit code 1');
  const { id } = parsePayloadKeys(ours).encrypting!;
  expect(readFileSync(keyless.logFile, 'utf8')).toMatch(
    new RegExp(`encrypted with the key ${id}, which this process does not have \\(it has none\\)`),
  );

  worker = scoringWorker(`${ours},${foreign}`);
  await untilReady(worker as ReturnType<typeof startChild>, 60_000);
  // The next attempt comes after a minute; nobody needs to wait for it here.
  const client = await connectClient({ ...stack.stack.env, ...ENV });
  try {
    await untilEnded(client, workflowId);
  } finally {
    await client.connection.close();
  }
  const shown = (await cli(['batch', 'show', batch, '--json'])).json() as Shown;
  expect(shown).toMatchObject({ status: 'completed', counts: { scored: 3, failed: 0 } });
}, 180_000);

async function untilEnded(client: Client, workflowId: string): Promise<void> {
  const handle = client.workflow.getHandle(workflowId);
  while ((await handle.describe()).status.name === 'RUNNING') {
    for await (const child of client.workflow.list({
      query: "WorkflowType = 'scoreSensors' AND ExecutionStatus = 'Running'",
    })) {
      const { raw } = await client.workflow.getHandle(child.workflowId).describe();
      for (const activity of raw.pendingActivities ?? [])
        if (activity.lastFailure)
          await client.workflowService
            .resetActivity({
              namespace: 'default',
              execution: { workflowId: child.workflowId },
              id: activity.activityId ?? '',
            })
            .catch(() => {});
    }
    await sleep(300);
  }
}

test('a batch that fails, its schedule and its pages work as without encryption', async () => {
  await worker!.stop();
  await damageModel(stack.context, corrupt);
  worker = scoringWorker(`${ours},${foreign}`);
  await untilReady(worker as ReturnType<typeof startChild>, 60_000);

  const run = await cli(['batch', 'run', ...PERIOD, '--tolerated-failure-count', '0', '--wait', '--json']);
  const batch = run.json() as Shown;
  expect(batch).toMatchObject({
    status: 'failed',
    counts: { scored: 2, failed: 1 },
    failed: [{ class: 'model_corrupt' }],
  });
  expect((await cli(['verify', batch.id])).code).toBe(0);
  for (const args of [
    ['predictions', SENSORS[0]!.device, SENSORS[0]!.sensor],
    ['report', batch.id],
  ])
    expect([args, (await cli(args)).code]).toEqual([args, 0]);
  // The batch that failed is all that is wrong.
  const doctor = await cli(['doctor']);
  expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringContaining(batch.id)]);
  expect(doctor.stdout).toContain('1 problem found.');
  await cli(['schedule', 'create', 'plant', '--every', '15m', '--paused']);
  expect((await cli(['schedule', 'describe', 'plant', '--json'])).json()).toMatchObject({ request: { period: '15m' } });
}, 180_000);

test('the stock temporal command works with plain JSON, and reads through the codec server', async () => {
  const temporal = await findTemporal(TOOLS, () => {});
  const run = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)(temporal, [...args, '--address', String(stack.stack.env.TEMPORAL_ADDRESS)])).stdout;
  await run(
    'workflow',
    'execute',
    '--type',
    'scoreBatch',
    '--task-queue',
    'control',
    '-w',
    'stock',
    '--input',
    JSON.stringify({ from: FROM, to: TO, toleratedFailurePercentage: 50 }),
  );
  const server = await startCodecServer({
    codec: createPayloadCodec(parsePayloadKeys(ours)),
    token: SECRETS.FLEETSCORE_CODEC_TOKEN,
    origins: [],
    host: '127.0.0.1',
    port: 0,
  });
  try {
    const show = ['workflow', 'show', '-w', 'stock', '--output', 'json'];
    expect(await run(...show)).not.toContain(corrupt.sensor);
    const read = await run(
      ...show,
      '--codec-endpoint',
      `http://127.0.0.1:${server.port}`,
      '--codec-auth',
      `Bearer ${SECRETS.FLEETSCORE_CODEC_TOKEN}`,
    );
    expect(JSON.stringify(decoded(read))).toContain(corrupt.sensor);
  } finally {
    await server.close();
  }
}, 120_000);

test('a batch that was started with another key waits, and holds up nobody', async () => {
  const started = (
    await cli(['batch', 'run', ...PERIOD, '--json'], { ...ENV, FLEETSCORE_PAYLOAD_KEYS: foreign })
  ).json() as { workflowId: string };
  const good = (
    await cli(['batch', 'run', ...PERIOD, '--tolerated-failure-percentage', '50', '--wait', '--json'])
  ).json() as Shown;
  expect(good.status).toBe('completed');
  const client = await connectClient({ ...stack.stack.env, ...ENV });
  try {
    const handle = client.workflow.getHandle(started.workflowId);
    expect((await handle.describe()).status.name).toBe('RUNNING');
    await handle.terminate();
  } finally {
    await client.connection.close();
  }
});

test('a command without the key says which one is missing', async () => {
  const { FLEETSCORE_PAYLOAD_KEYS: _, ...env } = ENV;
  const result = await cli(['schedule', 'describe', 'plant', '--json'], env);
  expect(result.code).toBe(1);
  expect(JSON.parse(result.stderr)).toMatchObject({
    error: { code: 'PAYLOAD_KEY_UNKNOWN', message: expect.stringContaining(parsePayloadKeys(ours).encrypting!.id) },
  });
});

test("Temporal's database holds no name of a device or sensor, and no message of a failure", () => {
  const data = join(stack.home, 'data');
  const stored = readdirSync(data)
    .filter((name) => name.startsWith('temporal.db'))
    .map((name) => readFileSync(join(data, name), 'latin1'))
    .join('');
  // It is where the batches are, so what is looked for would be found.
  expect(stored).toContain('scoreSensors');
  // A sensor `flow` is in every `workflow`.
  const names = [...new Set(SENSORS.flatMap(({ device, sensor }) => [device, sensor]))].filter(
    (name) => name !== 'flow',
  );
  expect(names.length).toBeGreaterThan(1);
  for (const text of [...names, 'which is not its name', DAMAGED])
    expect([text, stored.includes(text)]).toEqual([text, false]);
});

test.each([
  [
    'send',
    'FLEETSCORE_EVENT_HUBS_CONNECTION_STRING',
    (secret: string) => `Endpoint=nowhere;SharedAccessKeyName=x;SharedAccessKey=${secret}`,
  ],
  [
    'models',
    'FLEETSCORE_BLOB_CONNECTION_STRING',
    (secret: string) =>
      `DefaultEndpointsProtocol=http;AccountName=x;AccountKey=${Buffer.from(secret).toString('base64')}` +
      ';BlobEndpoint=http://127.0.0.1:1/x;',
  ],
  ['models', 'FLEETSCORE_BLOB_CONNECTION_STRING', (secret: string) => `nonsense ${secret}`],
  [
    'db',
    'FLEETSCORE_SQL_URL',
    (secret: string) => `Server=127.0.0.1,1;Database=x;User Id=sa;Password=${secret};Connect Timeout=1`,
  ],
  ['db', 'FLEETSCORE_SQL_URL', (secret: string) => `nonsense;${secret}`],
  ['doctor', 'FLEETSCORE_CODEC_TOKEN', (secret: string) => `${secret} with a space`],
  ['doctor', 'FLEETSCORE_ALERT_URL', (secret: string) => `not a url ${secret}`],
])('an error of `%s` about %s does not repeat its value', async (command, variable, valueOf) => {
  const secret = marked();
  const args = {
    send: ['send', join(stack.home, 'readings.csv')],
    models: ['models', 'publish', join(stack.home, 'models')],
    db: ['db', 'status'],
    doctor: ['doctor'],
  }[command]!;
  const result = await cli(args, { ...ENV, [variable]: valueOf(secret) });
  expect(result.code).not.toBe(0);
  expect(result.stdout + result.stderr).not.toMatch(
    new RegExp(`${secret}|${Buffer.from(secret).toString('base64').slice(0, 24)}`),
  );
});

/** As it may stand somewhere: plain, in an address, in base64, in hexadecimal. */
const formsOf = (secret: string): string[] => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  Buffer.from(secret, 'base64').toString('hex'),
];

test('the servers of the stack, which are programs of their own, are started without the secrets', () => {
  if (process.platform !== 'linux') return;
  for (const part of ['temporal', 'blob', 'event hubs'] as const) {
    const pids = pidsOf(stack.home, part);
    expect([part, pids.length]).toEqual([part, 1]);
    const environment = readFileSync(`/proc/${pids[0]}/environ`, 'utf8');
    const found = Object.keys(WANTED).filter((name) =>
      formsOf(WANTED[name]!).some((form) => environment.includes(form)),
    );
    expect([part, found]).toEqual([part, []]);
  }
});

test('no secret turns up in logs, output, histories, spans, metrics or Blob', async () => {
  await worker!.stop();
  const places: [string, string][] = printed.map((text) => ['output of a command', text]);
  const logs = join(stack.home, 'logs');
  // The emulator's first line is its connection string: it has one key, which everybody knows.
  for (const name of readdirSync(logs).filter((name) => name !== 'event-hubs.log'))
    places.push([`log ${name}`, readFileSync(join(logs, name), 'utf8')]);
  expect(places.some(([, text]) => text.includes('alert'))).toBe(true);

  const client = await connectClient({ ...stack.stack.env, ...ENV });
  const codec = createPayloadCodec(parsePayloadKeys(`${ours},${foreign}`));
  let histories = 0;
  try {
    for await (const { workflowId, runId } of client.workflow.list()) {
      histories += 1;
      const json = historyToJSON(await client.workflow.getHandle(workflowId, runId).fetchHistory());
      places.push([`history of ${workflowId}`, json], [`payloads of ${workflowId}`, await payloadsOf(json, codec)]);
    }
  } finally {
    await client.connection.close();
  }
  expect(histories).toBeGreaterThan(10);
  expect(places.some(([place, text]) => place.startsWith('payloads') && text.includes(corrupt.sensor))).toBe(true);

  const blobs = stack.context.blobs();
  for (const container of [CONTAINERS.logs, CONTAINERS.predictions, CONTAINERS.deadletters])
    for await (const { name } of blobs.list(container, ''))
      places.push([`blob ${container}/${name}`, Buffer.from(await blobs.get(container, name)).toString('utf8')]);
  expect(places.some(([place]) => place.startsWith('blob logs/'))).toBe(true);

  // What is done, and what goes wrong in it, is told in spans as well.
  for (const text of telemetry.raw) places.push(['telemetry', text]);
  expect(telemetry.raw.some((text) => text.includes('scoreChunk'))).toBe(true);

  const blobKey = /AccountKey=([^;]+)/.exec(stack.stack.env.FLEETSCORE_BLOB_CONNECTION_STRING!)![1]!;
  for (const [name, secret] of Object.entries({ ...WANTED, blobKey, eventHubs: 'SAS_KEY_VALUE' }))
    for (const form of formsOf(secret))
      for (const [place, text] of places) expect([name, place, text.includes(form)]).toEqual([name, place, false]);
}, 120_000);

function decoded(json: string): unknown {
  return JSON.parse(json, (key, value: unknown) =>
    key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : value,
  );
}

/** Every payload of a history, decrypted. */
async function payloadsOf(json: string, codec: ReturnType<typeof createPayloadCodec>): Promise<string> {
  const found: { metadata: Record<string, Buffer>; data: Buffer }[] = [];
  JSON.parse(json, (_, value: { metadata?: Record<string, string>; data?: string } | null) => {
    if (value !== null && typeof value === 'object' && value.metadata?.['encoding'] !== undefined)
      found.push({
        metadata: Object.fromEntries(Object.entries(value.metadata).map(([k, v]) => [k, Buffer.from(v, 'base64')])),
        data: Buffer.from(value.data ?? '', 'base64'),
      });
    return value;
  });
  return (await codec.decode(found)).map(({ data }) => Buffer.from(data ?? []).toString('utf8')).join('\n');
}
