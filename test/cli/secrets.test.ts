/**
 * A different marker in every setting that can hold a secret, and a look everywhere: what commands print, what workers
 * log, what Temporal would keep of a failure, what jobs on Azure and programs of others get. SQL answers with the
 * password in its message, as SDKs do; nothing else answers.
 */
import { defaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { asActivity } from '../../activities/failures.ts';
import { isSecret, loadConfig, SECRET_VARIABLES, type Env } from '../../config.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { codeFile } from '../../paths.ts';
import { workerEnv } from '../../pool/from-config.ts';
import { cleanEnv, runCli, type CliResult } from '../support/cli.ts';
import { sideBySide } from '../support/side-by-side.ts';
import { startTdsServer, type TdsServer } from '../support/tds/server.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('secrets');
const marker = (): string => `MARK${randomBytes(12).toString('hex')}`;
const M = {
  sql: marker(),
  blob: Buffer.from(marker()).toString('base64'),
  hubs: marker(),
  alert: marker(),
  mail: marker(),
  alertKey: randomBytes(32).toString('base64'),
  keys: randomBytes(32).toString('base64'),
  codec: marker() + marker(),
  app: marker() + marker(),
  apiKey: marker(),
  clientKey: marker(),
  otel: marker(),
  azure: marker(),
  github: marker(),
  grpc: marker(),
} as const;

let tds: TdsServer;
let home: string;
let answers: Map<(typeof COMMANDS)[number], Promise<CliResult>>;

beforeAll(async () => {
  tds = await startTdsServer();
  tds.fail('login', { kind: 'error', number: 18456, message: `Login failed: Password="${M.sql};x";User Id=u` });
  home = join(dir, 'home');
  mkdirSync(home, { recursive: true });
  const csv = join(dir, 'readings.csv');
  writeFileSync(csv, 'TS,Device,Sensor,Value\n2026-11-23T10:00:00Z,d,s,1\n');
  // They share nothing, and wait for servers that do not answer.
  answers = sideBySide(COMMANDS, (command) =>
    runCli(
      home,
      command.map((arg) => (arg === 'readings.csv' ? csv : arg)),
      envOf(),
    ),
  );
});
afterAll(() => tds.close());

const envOf = (more: Env = {}): Env => ({
  FLEETSCORE_HOME: home,
  FLEETSCORE_SQL_URL: `Server=127.0.0.1,${tds.port};Database=fleet;User Id=u;Password="${M.sql};x";Encrypt=false`,
  FLEETSCORE_BLOB_CONNECTION_STRING:
    `DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=${M.blob}` +
    ';BlobEndpoint=http://127.0.0.1:1/devstoreaccount1;',
  FLEETSCORE_EVENT_HUBS_CONNECTION_STRING:
    `Endpoint=sb://127.0.0.1:1/;SharedAccessKeyName=n;SharedAccessKey=${M.hubs}` +
    ';EntityPath=telemetry;UseDevelopmentEmulator=true',
  FLEETSCORE_ALERT_URL: `http://127.0.0.1:9/hook?code=${M.alert}`,
  FLEETSCORE_ALERT_SECRET: M.alertKey,
  FLEETSCORE_SMTP_URL: `smtps://u:${M.mail}@127.0.0.1:1`,
  FLEETSCORE_MAIL_FROM: 'plant@example.com',
  FLEETSCORE_PAYLOAD_KEYS: M.keys,
  FLEETSCORE_CODEC_TOKEN: M.codec,
  FLEETSCORE_APP_TOKEN: M.app,
  TEMPORAL_ADDRESS: '127.0.0.1:1',
  TEMPORAL_API_KEY: M.apiKey,
  TEMPORAL_TLS_CLIENT_KEY_DATA: `-----BEGIN PRIVATE KEY-----\n${M.clientKey}\n-----END PRIVATE KEY-----`,
  OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${M.otel}`,
  AZURE_CLIENT_SECRET: M.azure,
  AZURE_PASSWORD: M.azure,
  GITHUB_TOKEN: M.github,
  TEMPORAL_GRPC_META_AUTHORIZATION: `Bearer ${M.grpc}`,
  ...more,
});

/** A marker as it stands, in JSON, in a URL, in base64 and in hexadecimal. */
const formsOf = (secret: string): string[] => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  Buffer.from(secret).toString('hex'),
];

function expectClean(place: string, text: string): void {
  const found = Object.entries(M).filter(([, secret]) => formsOf(secret).some((form) => text.includes(form)));
  expect([place, found.map(([name]) => name)]).toEqual([place, []]);
}

test('the environment of this test sets every variable that is a secret', () => {
  const set = new Set(Object.keys(envOf()));
  expect([...SECRET_VARIABLES].filter((name) => !set.has(name))).toEqual([]);
  for (const name of set) if (/AZURE|GITHUB|GRPC/.test(name)) expect([name, isSecret(name)]).toEqual([name, true]);
});

const COMMANDS = [
  ['status'],
  ['status', '--json'],
  ['doctor'],
  ['doctor', '--json'],
  ['config'],
  ['config', '--json'],
  ['db', 'status'],
  ['db', 'migrate', '--json'],
  ['ingest', 'status'],
  ['ingest', 'deadletters'],
  ['batch', 'list', '--json'],
  ['schedule', 'list'],
  ['send', 'readings.csv'],
] as const;

test.each(COMMANDS.map((command) => [command.join(' '), command] as const))(
  'fleetscore %s prints none',
  async (name, command) => {
    const { stdout, stderr } = await answers.get(command)!;
    expect(`${stdout}${stderr}`).not.toBe('');
    expectClean(name, `${stdout}\n${stderr}`);
    // A stack trace is not for people.
    expect(stderr).not.toMatch(/\n\s+at .*\.ts:\d+/);
  },
  300_000,
);

test('a hub that is not the one of the connection string is told without the string', async () => {
  const { code, stderr } = await runCli(home, ['ingest', 'status'], envOf({ FLEETSCORE_EVENT_HUB: 'readings' }));
  expect(code).toBe(2);
  expect(stderr).toContain('EntityPath');
  expectClean('mismatch', stderr);
  expect(loadConfig(envOf()).eventHubs.hub).toBe('telemetry');
}, 60_000);

test.each(['ingest', 'control', 'scoring'])(
  'the log of a %s worker that cannot start has none',
  async (role) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', codeFile(`workers/${role}`)], {
      env: { ...cleanEnv(), ...envOf() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += data.toString()));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(1);
    expect(said).not.toBe('');
    expectClean(`${role} worker`, said);
  },
  120_000,
);

test('what Temporal keeps of a failure has none, causes and stacks included', async () => {
  loadConfig(envOf());
  const inner = new Error(`SDK: connectionString: "${envOf().FLEETSCORE_EVENT_HUBS_CONNECTION_STRING}"`);
  for (const thrown of [
    new FleetscoreError('INVALID_REQUEST', `it said ${M.codec}`, { cause: inner }),
    new Error(`wrapped, with ${M.apiKey}`, { cause: inner }),
    inner,
  ]) {
    const failure = await asActivity(() => Promise.reject(thrown)).catch((error: unknown) => error);
    const kept = defaultFailureConverter.errorToFailure(failure, defaultPayloadConverter);
    expect(JSON.stringify(kept)).toContain('***');
    expectClean('failure', JSON.stringify(kept));
  }
});

test.each([
  ['FLEETSCORE_SQL_URL', `mssql://u:${M.sql}@host/fleet`],
  ['FLEETSCORE_SQL_URL', `Server=h;Database=d;User Id=u;Pwd='${M.sql}'`],
  ['FLEETSCORE_BLOB_URL', `https://a.blob.core.windows.net/?sv=1&sig=${M.blob}`],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', `https://user:${M.otel}@collector:4318`],
])('a job definition is refused %s with a password or key in it', (name, value) => {
  expect(() => workerEnv({ [name]: value }, { taskQueue: 'scoring' })).toThrow(
    expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(new RegExp(`^${name} `)) }),
  );
  const { FLEETSCORE_SQL_URL: _, ...rest } = envOf();
  expectClean('job', JSON.stringify(workerEnv(rest, { taskQueue: 'scoring' })));
});

test('programs of others get none: what Python and pip see', async () => {
  const bin = join(dir, 'bin');
  mkdirSync(bin, { recursive: true });
  const seen = join(dir, 'seen.txt');
  const calls = join(dir, 'calls.txt');
  // New enough, without venv, and its pip fails: all that is asked of a Python, and nothing is installed.
  writeFileSync(
    join(bin, 'python3'),
    `#!/bin/sh
env >> '${seen}'
echo "$1 $2 $3" >> '${calls}'
case "$*" in -c*) echo "[\\"$0\\", \\"3.12.1\\"]";; *--version*) echo 'pip 25';; *) echo 'no network' >&2; exit 1;; esac
`,
  );
  chmodSync(join(bin, 'python3'), 0o755);
  const models = join(dir, 'pickles');
  mkdirSync(models, { recursive: true });
  writeFileSync(join(models, 'model_d_s.pkl'), 'x');
  const { stdout, stderr } = await runCli(
    home,
    ['models', 'convert', models, join(dir, 'out')],
    envOf({ PATH: `${bin}${delimiter}${process.env.PATH}`, FLEETSCORE_TOOLS_DIR: join(dir, 'tools') }),
  );
  expectClean('convert', `${stdout}${stderr}`);
  expect(readFileSync(calls, 'utf8').split('\n')).toEqual(
    expect.arrayContaining([/^-c /, /^-m venv /, /^-m pip install/].map((call) => expect.stringMatching(call))),
  );
  expectClean('environment of python', readFileSync(seen, 'utf8'));
  expect(readFileSync(seen, 'utf8')).not.toMatch(/^(FLEETSCORE|TEMPORAL|AZURE|OTEL)_/m);
}, 120_000);
