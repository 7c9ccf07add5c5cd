/**
 * Telemetry whose endpoint is away: exports do not pile up, what is refused is told, and the process that sends it ends
 * in a few seconds. Each case is a process of its own, as a worker is. Without openssl there is no endpoint to talk to.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fork, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeFile } from '../../paths.ts';
import { cleanEnv } from '../support/cli.ts';
import { startTelemetryReceiver, type TelemetryReceiver } from '../support/telemetry-receiver.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('outage-telemetry');
const program = join(dir, 'sends.ts');
let receiver: TelemetryReceiver;

beforeAll(async () => {
  receiver = await startTelemetryReceiver(dir);
  writeFileSync(
    program,
    `
    import { startTelemetry } from ${JSON.stringify(codeFile('telemetry/telemetry'))};
    const said: string[] = [];
    const log = { info() {}, warn: (...words: unknown[]) => void said.push(words.map((word) => typeof word === 'string' ? word : JSON.stringify(word)).join(' ')) };
    const telemetry = (await startTelemetry('scoring', process.env, log as never))!;
    let collected = 0;
    telemetry.metrics(async () => [{ name: 'fleetscore_test', type: 'gauge', unit: '1', help: 'A test.', samples: [{ value: ++collected }] }]);
    process.on('message', async () => {
      const startedAtMs = performance.now();
      await telemetry.close();
      process.send!({ closedMs: performance.now() - startedAtMs, said, collected }, () => process.exit());
    });
  `,
  );
});
afterAll(() => receiver?.stop());

interface Ended {
  readonly closedMs: number;
  readonly said: readonly string[];
  /** Looks at the metrics, one each interval. */
  readonly collected: number;
}

const INTERVAL_MS = 250;

/** Sends for so many intervals, then closes. */
async function run(intervals: number): Promise<Ended> {
  const child: ChildProcess = fork(program, [], {
    env: {
      ...cleanEnv(),
      NODE_EXTRA_CA_CERTS: receiver.secure!.certificate,
      APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint=${receiver.secure!.url}/`,
      OTEL_METRIC_EXPORT_INTERVAL: String(INTERVAL_MS),
      OTEL_EXPORTER_OTLP_TIMEOUT: String(INTERVAL_MS),
    },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  setTimeout(() => child.send('close'), intervals * INTERVAL_MS + 3_000);
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as Ended));
    child.once('exit', () => reject(new Error('it ended without a word')));
  });
}

const CASES: readonly [string, Parameters<TelemetryReceiver['trouble']>[0]][] = [
  ['takes requests and never answers', 'mute'],
  ['asks for a day of patience', { status: 429, retryAfterSeconds: 86_400 }],
  ['fails', { status: 500 }],
];

test.each(CASES)(
  'an endpoint that %s: exports do not pile up, it is told, and the end is soon',
  async (_, trouble) => {
    if (!receiver.secure) return console.warn('no openssl here: not run');
    receiver.trouble(trouble);
    const { closedMs, said, collected } = await run(40);
    receiver.trouble();
    // Without limits each look adds a request that stays open.
    expect(collected).toBeGreaterThan(10);
    expect(receiver.open.most).toBeLessThan(10);
    expect(closedMs).toBeLessThan(5_000);
    expect(said.join('\n')).toMatch(/telemetry: /);
    if (trouble !== 'mute')
      expect(said.join('\n')).toMatch(/Application Insights answered \d+: telemetry of this export is lost/);
  },
  60_000,
);
