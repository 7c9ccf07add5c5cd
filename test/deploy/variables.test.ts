/** Environment variables: every one that a file of deploy/ sets is one that the code reads. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../config.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { workerEnv } from '../../pool/from-config.ts';
import { filesIn, matches, read, root } from './support.ts';

const FILES = [
  'azure.yaml',
  'deploy/Dockerfile',
  'deploy/README.md',
  'deploy/build-image.sh',
  'deploy/azd/steps.js',
  'deploy/kubernetes/config.env',
  '.github/workflows/ci.yml',
  ...filesIn('deploy/bicep', '.bicep'),
  ...filesIn('deploy/bicep', '.json'),
  ...filesIn('deploy/kubernetes', '.yaml'),
  ...filesIn('deploy/container', '.js'),
  ...filesIn('deploy/stream-analytics', '.md'),
];

/** The configuration itself says which it does not know. */
function unknownToConfig(name: string): boolean {
  try {
    loadConfig({ [name]: 'x' });
    return false;
  } catch (error) {
    if (error instanceof FleetscoreError) return error.message.includes(`${name} is not a variable`);
    throw error;
  }
}

test.each(FILES)('%s names only variables of fleetscore and Temporal', (file) => {
  for (const name of new Set(matches(read(file), /\b(FLEETSCORE_[A-Z_]+[A-Z])\b/g)))
    expect([name, unknownToConfig(name)]).toEqual([name, false]);
  const library = join(root, 'node_modules/@temporalio/envconfig/lib');
  const known = new Set(
    readdirSync(library)
      .filter((name) => name.endsWith('.js'))
      .flatMap((name) =>
        matches(read(`node_modules/@temporalio/envconfig/lib/${name}`), /['"](TEMPORAL_[A-Z_]+[A-Z])['"]/g),
      ),
  );
  expect(known.has('TEMPORAL_ADDRESS')).toBe(true);
  for (const name of new Set(matches(read(file), /\b(TEMPORAL_[A-Z_]+[A-Z])\b/g)))
    expect([name, known.has(name)]).toEqual([name, true]);
});

test('a name that the configuration does not know is found out', () => {
  expect(unknownToConfig('FLEETSCORE_NO_SUCH_THING')).toBe(true);
});

test('what the Kubernetes workers get is a configuration that they take', () => {
  const env = Object.fromEntries(
    read('deploy/kubernetes/config.env')
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
  const config = loadConfig(env);
  expect(config.blob).toEqual({ accountUrl: 'https://ACCOUNT.blob.core.windows.net' });
  expect(config.eventHubs.connection).toEqual({ namespace: 'NAMESPACE.servicebus.windows.net' });
});

test('what Bicep gives each worker is what that worker cannot start without', () => {
  const workers = read('deploy/bicep/workers.bicep');
  const list = (name: string): string[] =>
    matches(new RegExp(`var ${name} = [^\\n]*\\[\\n([\\s\\S]*?)\\n\\]`).exec(workers)![1]!, /name: '([A-Z_]+)'/g);
  expect(list('commonEnv')).toEqual(
    expect.arrayContaining(['FLEETSCORE_SQL_URL', 'FLEETSCORE_BLOB_URL', 'APPLICATIONINSIGHTS_CONNECTION_STRING']),
  );
  // With these the pool starts: what it needs is in the one condition of the list.
  expect(list('poolEnv')).toEqual(
    expect.arrayContaining([
      'FLEETSCORE_AML_WORKSPACE_ID',
      'FLEETSCORE_AML_ENVIRONMENT_ID',
      'FLEETSCORE_AML_COMMAND',
      'FLEETSCORE_AML_CLUSTER',
    ]),
  );
  expect(list('controlEnv')).toEqual(
    expect.arrayContaining(['WORKER', 'AZURE_CLIENT_ID', 'TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE']),
  );
  expect(list('ingestEnv')).toEqual(
    expect.arrayContaining([
      'WORKER',
      'AZURE_CLIENT_ID',
      'FLEETSCORE_EVENT_HUBS_NAMESPACE',
      'FLEETSCORE_EVENT_HUB',
      'FLEETSCORE_CONSUMER_GROUP',
    ]),
  );
  // Secrets come by reference: no value of one stands in a template.
  expect(workers).not.toMatch(/name: '(TEMPORAL_(API_KEY|TLS_CLIENT_(CERT|KEY)_DATA)|FLEETSCORE_PAYLOAD_KEYS)', value/);
});

test('both kinds of workers that talk to Temporal get the keys of payloads, each by its own identity', () => {
  const workers = read('deploy/bicep/workers.bicep');
  expect(workers).toContain("{ name: 'FLEETSCORE_PAYLOAD_KEYS', secretRef: 'payload-keys' }");
  expect(workers).toContain("' --secret FLEETSCORE_PAYLOAD_KEYS=${vaultUri}secrets/scoring-payload-keys'");
  expect(read('deploy/bicep/key-vault.bicep')).toContain("name: 'payload-keys'");
});

test('no secret is handed on to nodes: definitions of jobs can be read', () => {
  const secrets = [
    'TEMPORAL_API_KEY',
    'TEMPORAL_TLS_CLIENT_KEY_DATA',
    'FLEETSCORE_PAYLOAD_KEYS',
    'FLEETSCORE_CODEC_TOKEN',
    'FLEETSCORE_ALERT_URL',
    'FLEETSCORE_ALERT_SECRET',
    'FLEETSCORE_BLOB_CONNECTION_STRING',
    'FLEETSCORE_EVENT_HUBS_CONNECTION_STRING',
  ];
  expect(
    JSON.stringify(workerEnv(Object.fromEntries(secrets.map((name) => [name, 'MARKED'])), { taskQueue: 'scoring' })),
  ).not.toContain('MARKED');
});
