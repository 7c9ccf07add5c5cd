/**
 * The hooks of azd against a stand-in for `az` and `azd` that keeps a job of Stream Analytics, a registry and a
 * workspace.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  environmentLines,
  postprovision,
  postpublish,
  predown,
  prepublish,
  preprovision,
  type HookContext,
} from '../../deploy/azd/steps.js';
import { hasNoQuota, hasNoSize } from '../../deploy/azd/checks.js';
import { read, readJson, root } from './support.ts';

interface Cloud {
  stream?: { jobState: string; lastOutputEventTime?: string };
  registryOpen: boolean;
  workspace: 'there' | 'going' | 'gone';
  database: 'Succeeded' | 'Failed';
  usages: { name: { value: string; localizedValue: string }; limit: number }[];
  sizes: { name: string; lowPriorityCapable?: boolean }[];
  deletedVaults: object[];
  values: Record<string, string>;
  readonly log: string[];
}

const SUBSCRIPTION = '11111111-2222-3333-4444-555555555555';
const base = {
  AZURE_SUBSCRIPTION_ID: SUBSCRIPTION,
  AZURE_LOCATION: 'westeurope',
  AZURE_RESOURCE_GROUP: 'rg-fleet',
  AZURE_CONTAINER_REGISTRY_ENDPOINT: 'crx.azurecr.io',
  DEPLOY_DATABASE_JOB: 'caj-database-x',
  DEPLOY_PROFILE: 'tryout',
};
const newCloud = (part: Partial<Cloud> = {}): Cloud => ({
  registryOpen: false,
  workspace: 'there',
  database: 'Succeeded',
  usages: [],
  sizes: [],
  deletedVaults: [],
  values: {},
  log: [],
  ...part,
});

function open(cloud: Cloud, env: Record<string, string> = {}): HookContext & { readonly said: string[] } {
  const said: string[] = [];
  const rest = (method: string, url: string, body: unknown): unknown => {
    const path = new URL(url).pathname;
    cloud.log.push(`${method} ${path.split('/').slice(-2).join('/')}`);
    if (path.endsWith('/usages')) return { value: cloud.usages };
    if (path.endsWith('/vmSizes')) return { value: cloud.sizes };
    if (path.endsWith('/deletedVaults')) return { value: cloud.deletedVaults };
    if (path.includes('/workspaces/')) {
      if (method === 'delete') {
        if (new URL(url).searchParams.get('forceToPurge') !== 'true') throw new Error('only softly deleted');
        cloud.workspace = 'going';
        return undefined;
      }
      if (cloud.workspace === 'gone') throw new Error('ERROR: (ResourceNotFound) not found');
      cloud.workspace = 'gone';
      return {};
    }
    const job = cloud.stream!;
    if (path.endsWith('/stop')) job.jobState = 'Stopping';
    else if (path.endsWith('/start')) {
      if (!['Created', 'Stopped'].includes(job.jobState)) throw new Error('Conflict 409 not in a valid state');
      if (!cloud.log.includes('job start')) throw new Error('the job fails: its table is not there');
      cloud.log.push(`start mode ${(body as { outputStartMode: string }).outputStartMode}`);
      job.jobState = 'Running';
    } else {
      const answer = { properties: { ...job } };
      if (job.jobState === 'Stopping') job.jobState = 'Stopped';
      return answer;
    }
    return undefined;
  };
  return {
    said,
    env: { ...base, ...env, ...cloud.values },
    pollSeconds: 1,
    sleep: async () => undefined,
    say: (text) => void said.push(text),
    parameters: read('deploy/bicep/main.parameters.json'),
    sizes: (profile) => readJson(`deploy/bicep/profiles/${profile}.json`),
    async az(args, body) {
      const option = (name: string): string => args[args.indexOf(name) + 1]!;
      if (args[0] === 'rest') return JSON.stringify(rest(option('--method'), option('--url'), body)) ?? '';
      // The CLI's own subscription is another one: without the option nothing is found.
      if (option('--subscription') !== SUBSCRIPTION && args[0] !== 'keyvault') throw new Error('not found in default');
      if (args[0] === 'keyvault') return `secret of ${option('--vault-name')}/${option('--name')}\n`;
      if (args[0] === 'acr' && args[1] === 'update') {
        cloud.registryOpen = option('--public-network-enabled') === 'true';
        cloud.log.push(cloud.registryOpen ? 'registry open' : 'registry closed');
      } else if (args[0] === 'acr') {
        if (!cloud.registryOpen && env['DEPLOY_PRIVATE_NETWORK'] === 'true')
          throw new Error("denied: client with IP '52.0.0.1' is not allowed access");
        cloud.log.push(`build ${option('--image')}`);
      } else if (args[2] === 'update') cloud.log.push(`job image ${option('--image')}`);
      else if (args[2] === 'start') {
        cloud.log.push('job start');
        return 'caj-database-x-1\n';
      } else if (args[3] === 'show') return `${cloud.database}\n`;
      return '';
    },
    async azd(args) {
      if (args[1] === 'get-values') return JSON.stringify(cloud.values);
      cloud.values[args[2]!] = args[3]!;
      cloud.log.push(`set ${args[2]}`);
      return '';
    },
  };
}

const STREAM = { DEPLOY_STREAM_JOB_ID: '/subscriptions/s/providers/Microsoft.StreamAnalytics/streamingjobs/asa-x' };
const IMAGE = { SERVICE_CONTROL_IMAGE_NAME: 'crx.azurecr.io/fleetscore/control-x:azd-1' };

test(
  'twice `azd up` with Stream Analytics: stopped before a change, started after its table and user, ' +
    'from where it was',
  async () => {
    const cloud = newCloud({ stream: { jobState: 'Created' } });
    await preprovision(open(cloud, STREAM));
    await postprovision(open(cloud, STREAM)); // no image yet
    expect(cloud.stream!.jobState).toBe('Created');
    await preprovision(open(cloud, { ...STREAM, ...IMAGE }));
    await postprovision(open(cloud, { ...STREAM, ...IMAGE }));
    expect(cloud.stream!.jobState).toBe('Running');
    cloud.stream!.lastOutputEventTime = '2026-11-29T10:00:00Z';
    await preprovision(open(cloud, { ...STREAM, ...IMAGE }));
    expect(cloud.stream!.jobState).toBe('Stopped');
    await postprovision(open(cloud, { ...STREAM, ...IMAGE }));
    expect(cloud.stream!.jobState).toBe('Running');
    expect(cloud.log.filter((line) => line.startsWith('start mode'))).toEqual([
      'start mode JobStartTime',
      'start mode LastOutputEventTime',
    ]);
  },
);

test('a closed registry is open for the build alone; the database is ready before any worker has the image', async () => {
  const cloud = newCloud();
  const env = { ...IMAGE, DEPLOY_PRIVATE_NETWORK: 'true' };
  await prepublish(open(cloud, env));
  expect(cloud.registryOpen).toBe(true);
  await postpublish(open(cloud, env));
  expect(cloud.registryOpen).toBe(false);
  expect(cloud.log).toEqual([
    'registry open',
    'build fleetscore/node:azd-1',
    'set DEPLOY_NODE_IMAGE',
    'registry closed',
    `job image ${IMAGE.SERVICE_CONTROL_IMAGE_NAME}`,
    'job start',
    'set DEPLOY_WORKERS_IMAGE',
  ]);
  expect(cloud.values).toEqual({
    DEPLOY_NODE_IMAGE: 'crx.azurecr.io/fleetscore/node:azd-1',
    DEPLOY_WORKERS_IMAGE: IMAGE.SERVICE_CONTROL_IMAGE_NAME,
  });
});

test('a database that cannot be set up keeps the new image from the workers, and the registry is closed all the same', async () => {
  const cloud = newCloud({ database: 'Failed' });
  const env = { ...IMAGE, DEPLOY_PRIVATE_NETWORK: 'true' };
  await prepublish(open(cloud, env));
  await expect(postpublish(open(cloud, env))).rejects.toThrow(
    /ended as Failed\. See its log: az containerapp job logs/,
  );
  expect(cloud.values['DEPLOY_WORKERS_IMAGE']).toBeUndefined();
  expect(cloud.registryOpen).toBe(false);
});

test('`azd down` deletes the workspace for good, and one that is gone is no trouble', async () => {
  const cloud = newCloud();
  const env = { DEPLOY_ML_WORKSPACE_ID: '/subscriptions/s/providers/Microsoft.MachineLearningServices/workspaces/mlw' };
  await predown(open(cloud, env));
  expect(cloud.workspace).toBe('gone');
  await predown(open(cloud)); // never provisioned
});

test('quota 0 makes all but the cluster, and says where to ask; with quota the cluster is made again', async () => {
  const none = {
    name: { value: 'TotalLowPriorityCores', localizedValue: 'Total Cluster LowPriority vCPUs' },
    limit: 0,
  };
  const cloud = newCloud({ usages: [none] });
  const first = open(cloud);
  await preprovision(first);
  expect(cloud.values['DEPLOY_MAKE_CLUSTER']).toBe('no');
  expect(first.said.join(' ')).toMatch(/low-priority cores .* westeurope.*how-to-manage-quotas/);
  cloud.usages = [{ ...none, limit: 16 }];
  await preprovision(open(cloud));
  expect(cloud.values['DEPLOY_MAKE_CLUSTER']).toBe('yes');
});

test('a region without the machines of the profile makes all but the cluster, and says so', async () => {
  const cloud = newCloud({
    sizes: [{ name: 'STANDARD_D4S_V5' }, { name: 'Standard_D2s_v3', lowPriorityCapable: false }],
  });
  const first = open(cloud);
  await preprovision(first);
  expect(cloud.values['DEPLOY_MAKE_CLUSTER']).toBe('no');
  expect(first.said.join(' ')).toMatch(/no Standard_D2s_v3 at low priority in westeurope.*profiles\/tryout\.json/);
  const after = open(cloud, { SERVICE_CONTROL_IMAGE_NAME: 'x:1' });
  await postprovision(after);
  expect(after.said.join(' ')).toContain('No scoring cluster was made in westeurope');
  cloud.sizes = [{ name: 'STANDARD_D2S_V3', lowPriorityCapable: true }];
  await preprovision(open(cloud));
  expect(cloud.values['DEPLOY_MAKE_CLUSTER']).toBe('yes');
  expect(hasNoSize([], { vmSize: 'Standard_D2s_v3', vmPriority: 'Dedicated' })).toBe(false);
});

test('a deleted key vault that holds its name ends it, with the command that frees the name', async () => {
  const vault = (name: string, more: object = {}) => ({
    name,
    properties: {
      vaultId: `/subscriptions/s/resourceGroups/RG-Fleet/providers/Microsoft.KeyVault/vaults/${name}`,
      location: 'West Europe',
      scheduledPurgeDate: '2026-12-07T00:00:00Z',
      ...more,
    },
  });
  const env = { AZURE_ENV_NAME: 'fleet' };
  const cloud = newCloud({ deletedVaults: [vault('kv-a')], stream: { jobState: 'Running' } });
  await expect(preprovision(open(cloud, { ...env, DEPLOY_STREAM_JOB_ID: '/jobs/x' }))).rejects.toThrow(
    /^kv-a: .*\naz keyvault purge --name kv-a --location westeurope --subscription 1111/,
  );
  // Before anything is stopped.
  expect(cloud.stream!.jobState).toBe('Running');
  cloud.deletedVaults = [vault('kv-a', { purgeProtectionEnabled: true })];
  await expect(preprovision(open(cloud, env))).rejects.toThrow(/protected .* 2026-12-07.*recover --name kv-a/);
  cloud.deletedVaults = [vault('kv-a', { location: 'northeurope' })];
  await preprovision(open(cloud, env));
  cloud.deletedVaults = [vault('kv-a')];
  await preprovision(open(cloud, { AZURE_ENV_NAME: 'flee' }));
});

test('before azd has asked for subscription and region nothing is looked at, and nothing fails', async () => {
  const { env, ...rest } = open(newCloud());
  const { AZURE_SUBSCRIPTION_ID: _, AZURE_LOCATION: __, ...first } = env;
  await preprovision({ ...rest, env: first });
  expect(rest.said.join(' ')).toContain('not looked at this time');
});

test('a value that breaks the parameter file is told by the name of its parameter, before azd reads it', async () => {
  const pem = '-----BEGIN KEY-----\nabc\n';
  await expect(preprovision(open(newCloud(), { DEPLOY_TEMPORAL_KEY_BASE64: pem }))).rejects.toThrow(
    /temporalClientKeyBase64.*breaks the JSON/,
  );
  await preprovision(open(newCloud(), { DEPLOY_OPERATORS: 'a:User, b:Group', DEPLOY_ALERT_EMAIL: 'a b@example.com' }));
});

test('quota is that of the size: another family, or one that is not listed, says nothing', () => {
  const dsv3 = {
    name: { value: 'standardDSv3Family', localizedValue: 'Standard DSv3 Family Cluster Dedicated vCPUs' },
    limit: 0,
  };
  const size = { vmSize: 'Standard_D4s_v3', vmPriority: 'Dedicated' };
  expect(hasNoQuota([dsv3], size)).toBe(true);
  expect(hasNoQuota([dsv3], { ...size, vmSize: 'Standard_D4s_v5' })).toBe(false);
  expect(hasNoQuota([], size)).toBe(false);
  expect(hasNoQuota([{ ...dsv3, limit: 8 }], size)).toBe(false);
  // One node must fit: a cluster of which none does is refused at its creation.
  expect(hasNoQuota([{ ...dsv3, limit: 3 }], size)).toBe(true);
});

test(
  'lines for a shell hold what commands need, with secrets fetched; ' +
    'no reference and no key where encryption is off',
  async () => {
    const values = {
      FLEETSCORE_SQL_URL: "Server=x;Name='q'",
      FLEETSCORE_PAYLOAD_KEYS: 'akvs://sub/kv/payload-keys',
      TEMPORAL_ADDRESS: 'ns.tmprl.cloud:7233',
      TEMPORAL_API_KEY: 'akvs://sub/kv/temporal',
      AZURE_ENV_NAME: 'fleet',
      DEPLOY_PAYLOAD_ENCRYPTION: 'off',
    };
    const lines = await environmentLines(open(newCloud({ values })), 'sh');
    expect(lines).toEqual([
      `export FLEETSCORE_SQL_URL='Server=x;Name='\\''q'\\'''`,
      "export TEMPORAL_ADDRESS='ns.tmprl.cloud:7233'",
      "export TEMPORAL_API_KEY='secret of kv/temporal'",
    ]);
    const shell = spawnSync('sh', ['-c', `${lines.join('\n')}\nprintf %s "$FLEETSCORE_SQL_URL"`], { encoding: 'utf8' });
    expect(shell.stdout).toBe(values.FLEETSCORE_SQL_URL);
    const on = open(newCloud({ values: { ...values, DEPLOY_PAYLOAD_ENCRYPTION: 'on' } }));
    expect(await environmentLines(on, 'pwsh')).toContain("$env:FLEETSCORE_PAYLOAD_KEYS = 'secret of kv/payload-keys'");
    const pem = '-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n';
    const mtls = open(
      newCloud({
        values: { DEPLOY_TEMPORAL_AUTH: 'mtls', DEPLOY_TEMPORAL_CERT_BASE64: Buffer.from(pem).toString('base64') },
      }),
    );
    expect(await environmentLines(mtls, 'sh')).toEqual([`export TEMPORAL_TLS_CLIENT_CERT_DATA='${pem}'`]);
  },
);

test('the program says what is missing: a step that nobody knows, and no Azure CLI', () => {
  const empty = mkdtempSync(join(tmpdir(), 'no-az-'));
  const hook = (...args: string[]) =>
    spawnSync(process.execPath, ['deploy/azd/hook.js', ...args], {
      cwd: root,
      encoding: 'utf8',
      env: { ...base, ...STREAM, PATH: empty },
    });
  try {
    expect(hook('nonsense')).toMatchObject({ status: 1, stderr: expect.stringContaining('usage: hook.js') });
    expect(hook('preprovision')).toMatchObject({
      status: 1,
      stderr: 'fleetscore: az is not installed, or not on the PATH\n',
    });
  } finally {
    rmSync(empty, { recursive: true });
  }
});
