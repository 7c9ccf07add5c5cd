/**
 * Telemetry whose endpoint is in trouble, in each way that the ingestion endpoint of Application Insights has: exports
 * do not pile up, what is refused is told, no other host is asked, and the process that sends it ends in a few seconds.
 * Each case is a process of its own, as a worker is. Without openssl there is no endpoint to talk to.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeFile, packageFile } from '../../paths.ts';
import { cleanEnv } from '../support/cli.ts';
import { startTelemetryReceiver, type EndpointTrouble, type TelemetryReceiver } from '../support/telemetry-receiver.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('outage-telemetry');
const program = join(dir, 'sends.ts');
let receiver: TelemetryReceiver;

beforeAll(async () => {
  receiver = await startTelemetryReceiver(dir);
  writeFileSync(
    program,
    `
    import { Socket } from 'node:net';
    import { trace, context, ROOT_CONTEXT, TraceFlags } from ${JSON.stringify(import.meta.resolve('@opentelemetry/api'))};
    import { startTelemetry } from ${JSON.stringify(codeFile('telemetry/telemetry'))};
    const hosts = new Set<string>();
    const connect = Socket.prototype.connect;
    Socket.prototype.connect = function (...args: any[]) {
      const to = args.flat()[0];
      if (to?.host) hosts.add(to.host);
      return (connect as any).apply(this, args);
    };
    const said: string[] = [];
    const log = { info() {}, warn: (...words: unknown[]) => void said.push(words.map((word) => typeof word === 'string' ? word : JSON.stringify(word)).join(' ')) };
    const telemetry = (await startTelemetry('scoring', process.env, log as never))!;
    let collected = 0;
    let total = 10_000_000;
    telemetry.metrics(async () => [
      { name: 'fleetscore_test', type: 'gauge', unit: '1', help: 'A test.', samples: [{ value: ++collected }] },
      { name: 'fleetscore_ingest_readings_total', type: 'counter', unit: '1', help: 'A test.', stored: true, samples: [{ value: (total += 100) }] },
    ]);
    const target = telemetry.spans({ async fail() { throw new Error('Login failed; Password=Choose-1-Strong;'); } }, { prefix: 'sql', remote: true });
    const activity = telemetry.activity({ info: { activityType: 'scoreChunk', activityId: '1', taskQueue: 'q', attempt: 1, currentAttemptScheduledTimestampMs: Date.now() } } as never);
    const header = { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from(JSON.stringify('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')) };
    await activity.inbound!.execute!({ headers: { 'fleetscore-trace': header, traceparent: header }, args: [] } as never, async () => target.fail()).catch(() => {});
    const looking = setInterval(async () => {
      if (collected < Number(process.env.LOOKS)) return;
      clearInterval(looking);
      await telemetry.settle();
      total = Number.NaN;
      const startedAtMs = performance.now();
      await telemetry.close();
      process.send!({ closedMs: performance.now() - startedAtMs, said, hosts: [...hosts] }, () => process.exit());
    }, 50);
  `,
  );
});
afterAll(() => receiver?.stop());

interface Ended {
  readonly closedMs: number;
  readonly said: readonly string[];
  readonly hosts: readonly string[];
}

/** Between two exports, and the limit of one: an answer that comes has to come within it. */
const ANSWERED_MS = 1_000;
const UNANSWERED_MS = 250;

/** Sends what so many looks found, one each interval, then closes. */
async function run(folder: string, looks: number, intervalMs = ANSWERED_MS): Promise<Ended> {
  const child: ChildProcess = fork(program, [], {
    env: {
      ...cleanEnv(),
      NODE_EXTRA_CA_CERTS: receiver.secure!.certificate,
      APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint=${receiver.secure!.url}/${folder}`,
      OTEL_METRIC_EXPORT_INTERVAL: String(intervalMs),
      OTEL_EXPORTER_OTLP_TIMEOUT: String(intervalMs),
      LOOKS: String(looks),
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.9999',
    },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as Ended));
    child.once('exit', () => reject(new Error('it ended without a word')));
  });
}

/** Again where this machine was too busy for the answer: of the same kind of trouble only the first is told. */
async function answered(folder: string): Promise<Ended> {
  for (let times = 1; ; times++) {
    const ended = await run(folder, 4);
    if (times === 5 || !ended.said.every((text) => text.includes('export timed out'))) return ended;
  }
}

const CASES: readonly (readonly [string, EndpointTrouble])[] = [
  ['mute', 'mute'],
  ['patience', { status: 429, retryAfterSeconds: 86_400 }],
  ['s500', { status: 500 }],
  ['s402', { status: 402 }],
  ['s439', { status: 439 }],
  ['partial', 'partial'],
  ['reset', 'reset'],
];

test('in no trouble of the endpoint exports pile up; each is told, and the end is soon', async () => {
  if (!receiver.secure) return console.warn('no openssl here: not run');
  for (const [folder, trouble] of CASES) receiver.trouble(folder, trouble);
  const ended = await Promise.all(
    CASES.map(async ([folder, trouble]) => {
      // What piles up does so while nothing is answered.
      return [folder, await (trouble === 'mute' ? run(folder, 30, UNANSWERED_MS) : answered(folder))] as const;
    }),
  );
  for (const [folder, { closedMs, said }] of ended) {
    // Without limits each look adds a request that stays open.
    expect([folder, receiver.asked(folder).count > 1, receiver.asked(folder).mostOpen < 10]).toEqual([
      folder,
      true,
      true,
    ]);
    expect([folder, closedMs < 5_000]).toEqual([folder, true]);
    expect([folder, said.join('\n')]).toEqual([folder, expect.stringMatching(/telemetry: /)]);
    const status = /^(?:s(\d+)|partial|patience)$/.exec(folder);
    if (status)
      expect([folder, said.join('\n')]).toEqual([
        folder,
        expect.stringMatching(/Application Insights answered \d+: telemetry of this export is lost|rejected|Failed/),
      ]);
  }
}, 120_000);

test('what arrives: by a redirect as well, from the named hosts only, no jump, no secret, and why it failed', async () => {
  if (!receiver.secure) return console.warn('no openssl here: not run');
  receiver.trouble('moved', 'redirect');
  const of = (type: string) => receiver.envelopes.filter(({ data }) => data.baseType === type);
  // Again where this machine was too busy for an export to end in time: spans are sent once.
  let { hosts } = await run('moved', 4);
  const kinds = ['RequestData', 'RemoteDependencyData', 'ExceptionData'];
  for (let times = 1; times < 5 && kinds.some((kind) => of(kind).length === 0); times++)
    ({ hosts } = await run('moved', 4));
  const named = readFileSync(packageFile('deploy/README.md'), 'utf8');
  for (const host of hosts) expect([host, host === '127.0.0.1' || named.includes(`\`${host}\``)]).toEqual([host, true]);

  const metrics = of('MetricData').flatMap(({ data }) => data.baseData.metrics ?? []);
  const readings = metrics.filter(({ name }) => name === 'fleetscore_ingest_readings_total');
  expect(readings.length).toBeGreaterThan(0);
  // The ten million that were there before are none of this process.
  for (const { value } of readings) expect(value).toBeLessThan(10_000);
  expect(metrics.map(({ name }) => name)).not.toContain('_OTELRESOURCE_');

  const [request, dependency] = [of('RequestData')[0]!, of('RemoteDependencyData')[0]!];
  for (const { data, sampleRate, tags } of [request, dependency]) {
    expect(data.baseData.properties).toMatchObject({ 'fleetscore.reason': 'Login failed; Password=***;' });
    expect(sampleRate).toBeCloseTo(99.99);
    expect(tags['ai.cloud.role']).toBe('fleetscore-scoring');
  }
  const [exception] = of('ExceptionData')[0]!.data.baseData.exceptions!;
  expect(exception).toMatchObject({ message: 'Login failed; Password=***;' });
  expect(exception!.stack).toMatch(/at /);
  expect(JSON.stringify(receiver.envelopes)).not.toContain('Choose-1-Strong');
}, 60_000);
