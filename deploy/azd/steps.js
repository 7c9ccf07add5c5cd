/**
 * What the hooks of azd do, as functions over a context of variables and two ways out: `az` (the Azure CLI) and `azd`.
 * Every call names the subscription of azd's environment: the CLI's own choice may be another one. Each step may be
 * repeated. Never run against live Azure; the tests run them against a stand-in for both programs.
 */

import { checkCluster, checkNames, checkValues, clusterAdvice } from './checks.js';
import { need, rest } from './context.js';

const inSubscription = ({ env }) => ['--subscription', need(env, 'AZURE_SUBSCRIPTION_ID')];
const isPrivate = ({ env }) => (env.DEPLOY_PRIVATE_NETWORK ?? '').toLowerCase() === 'true';

/** Waits for a state that `look` tells. @throws Error that names what did not happen */
async function waitFor(context, what, look, seconds) {
  for (let waited = 0; waited <= seconds; waited += context.pollSeconds) {
    const state = await look();
    if (state === true) return;
    if (typeof state === 'string') throw new Error(state);
    await context.sleep(context.pollSeconds);
  }
  throw new Error(`${what} after ${seconds} s; look at it in the portal, then run the same command again`);
}

/**
 * Before provisioning: the job of Stream Analytics stops, because a running one cannot be changed (409); quota is
 * looked at. `azd provision --preview` runs no hooks (Azure/azure-dev ae35809 of 2026-08-21, cli/azd/cmd/root.go:
 * "Skipping provision hooks due to preview flag", since 2023-07-27). Where it did, or where provisioning fails, nothing
 * is lost: the job goes on where it was once the hook after provisioning runs, which may be run alone.
 */
export async function preprovision(context) {
  const { env, say } = context;
  checkValues(context);
  if (!env.AZURE_SUBSCRIPTION_ID || !env.AZURE_LOCATION) {
    // `azd provision` asks for them after its hooks, `azd up` before (the same source, bicep_provider.go and up.go:
    // EnsureSubscriptionAndLocation).
    say('azd has not asked for a subscription and a region yet: quota and names are not looked at this time.');
    return;
  }
  await checkNames(context);
  await stopStreamJob(context);
  await checkCluster(context);
}

/** After provisioning: schema and users, then Stream Analytics, whose table and user these are. */
export async function postprovision(context) {
  const { env, say } = context;
  if (!env.SERVICE_CONTROL_IMAGE_NAME) {
    say('There is no image yet: the database is set up after `azd publish` (azd up does both).');
    return;
  }
  await setUpDatabase(context);
  await startStreamJob(context);
  if (env.DEPLOY_MAKE_CLUSTER === 'no') say(clusterAdvice(env));
  if (!isPrivate(context) && !env.DEPLOY_OPERATOR_IPS)
    say(
      'The database lets in no address but those of Azure. For commands on your machine: azd env set ' +
        'DEPLOY_OPERATOR_IPS YOUR-ADDRESS && azd provision.',
    );
}

/**
 * Before publishing: a registry that is closed to the network is opened, for a quick build comes from an address that
 * nobody knows.
 */
export async function prepublish(context) {
  if (isPrivate(context)) await setRegistry(context, 'Enabled', 'Allow');
}

/**
 * After publishing: the image for Azure Machine Learning, then schema and users with the new image, while the old
 * workers go on; only then is it the image that `azd provision` gives to the workers.
 */
export async function postpublish(context) {
  const { env, azd, say } = context;
  const image = need(env, 'SERVICE_CONTROL_IMAGE_NAME');
  try {
    await azd(['env', 'set', 'DEPLOY_NODE_IMAGE', await buildNodeImage(context, image)]);
  } finally {
    if (isPrivate(context)) await setRegistry(context, 'Disabled', 'Deny');
  }
  await context.az([
    'containerapp',
    'job',
    'update',
    '--resource-group',
    need(env, 'AZURE_RESOURCE_GROUP'),
    '--name',
    need(env, 'DEPLOY_DATABASE_JOB'),
    '--image',
    image,
    '--output',
    'none',
    ...inSubscription(context),
  ]);
  await setUpDatabase(context);
  await azd(['env', 'set', 'DEPLOY_WORKERS_IMAGE', image]);
  say(`the database is ready for ${image}; azd provision gives it to the workers`);
}

/**
 * Before `azd down`: the workspace goes for good; softly deleted it would keep its name, and its jobs' records, for 14
 * days.
 */
export async function predown(context) {
  const id = context.env.DEPLOY_ML_WORKSPACE_ID;
  if (!id) return;
  const path = `${id}?api-version=2025-06-01`;
  try {
    // azure-ai-docs, concept-soft-delete (October 2025): names are taken for 14 days unless it is deleted permanently.
    await rest(context, 'delete', `${path}&forceToPurge=true`);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return;
  }
  await waitFor(
    context,
    'the workspace of Azure Machine Learning is still there',
    async () => !(await found(context, path)),
    900,
  );
  context.say('the workspace of Azure Machine Learning is deleted permanently');
}

const isMissing = (error) => /ResourceNotFound|NotFound|\b404\b/i.test(String(error.message));

/** What a path holds; undefined where there is nothing. */
async function found(context, path) {
  try {
    return await rest(context, 'get', path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function setUpDatabase(context) {
  const { az, env, say } = context;
  const job = ['--resource-group', need(env, 'AZURE_RESOURCE_GROUP'), '--name', need(env, 'DEPLOY_DATABASE_JOB')];
  const started = await az([
    'containerapp',
    'job',
    'start',
    ...job,
    '--query',
    'name',
    '--output',
    'tsv',
    ...inSubscription(context),
  ]);
  const execution = started.trim();
  say(`setting up the database: ${execution}`);
  const look = async () => {
    const state = await az([
      'containerapp',
      'job',
      'execution',
      'show',
      ...job,
      '--job-execution-name',
      execution,
      '--query',
      'properties.status',
      '--output',
      'tsv',
      ...inSubscription(context),
    ]);
    if (state.trim() === 'Succeeded') return true;
    if (['Failed', 'Stopped', 'Degraded'].includes(state.trim()))
      return (
        `the job of the database ended as ${state.trim()}. See its log: az containerapp job logs show ` +
        `${job.join(' ')} --execution ${execution} --container database`
      );
    return false;
  };
  await waitFor(context, 'the job of the database is still running', look, 900);
  say('the database is set up');
}

const streamPath = (env, tail = '') => `${env.DEPLOY_STREAM_JOB_ID}${tail}?api-version=2021-10-01-preview`;

async function stopStreamJob(context) {
  const { env, say } = context;
  if (!env.DEPLOY_STREAM_JOB_ID) return;
  const state = (await found(context, streamPath(env)))?.properties?.jobState;
  if (state === undefined || ['Created', 'Stopped', 'Failed'].includes(state)) return;
  if (state !== 'Stopping') await rest(context, 'post', streamPath(env, '/stop'));
  const look = async () =>
    ['Stopped', 'Failed'].includes((await found(context, streamPath(env)))?.properties?.jobState);
  await waitFor(context, 'the Stream Analytics job has not stopped', look, 600);
  say(
    'the Stream Analytics job is stopped; it goes on after provisioning where it was. Should provisioning fail: azd ' +
      'provision again, or azd hooks run postprovision, starts it',
  );
}

async function startStreamJob(context) {
  const { env, say } = context;
  if (!env.DEPLOY_STREAM_JOB_ID) return;
  const { properties } = (await found(context, streamPath(env))) ?? {};
  if (properties === undefined || ['Running', 'Starting', 'Idle', 'Processing'].includes(properties.jobState)) return;
  // From the last output there was, so that a stop loses no window; a new job begins now.
  const outputStartMode = properties.lastOutputEventTime ? 'LastOutputEventTime' : 'JobStartTime';
  await rest(context, 'post', streamPath(env, '/start'), { outputStartMode });
  say(`the Stream Analytics job starts (${outputStartMode})`);
}

async function setRegistry(context, access, action) {
  await context.az([
    'acr',
    'update',
    '--name',
    registryOf(context.env),
    '--public-network-enabled',
    String(access === 'Enabled'),
    '--default-action',
    action,
    '--output',
    'none',
    ...inSubscription(context),
  ]);
  context.say(
    access === 'Enabled' ? 'the registry is open for the build, behind Entra' : 'the registry is closed again',
  );
}

const registryOf = (env) => need(env, 'AZURE_CONTAINER_REGISTRY_ENDPOINT').split('.')[0];

async function buildNodeImage(context, image) {
  const name = `fleetscore/node:${image.split(':').at(-1)}`;
  await context.az([
    'acr',
    'build',
    '--registry',
    registryOf(context.env),
    '--image',
    name,
    '--build-arg',
    `IMAGE=${image}`,
    '--output',
    'none',
    ...inSubscription(context),
    'deploy/node-image',
  ]);
  return `${need(context.env, 'AZURE_CONTAINER_REGISTRY_ENDPOINT')}/${name}`;
}

/** Variables of azd's environment that commands on a person's machine take, by the name that they have there. */
const HANDED_OUT = /^(FLEETSCORE_(?!PAYLOAD_KEYS$)\w+|TEMPORAL_(ADDRESS|NAMESPACE|API_KEY))$/;
const VAULT = /^akvs:\/\/([^/]+)\/([^/]+)\/([^/]+)$/;

/**
 * For `eval`: the settings of a deployment as lines of a shell; secrets in a vault are fetched, not their references
 * shown.
 */
export async function environmentLines(context, shell) {
  const values = JSON.parse(await context.azd(['env', 'get-values', '--output', 'json']));
  const wanted = Object.fromEntries(
    Object.entries(values).filter(([name, value]) => HANDED_OUT.test(name) && value !== ''),
  );
  for (const [from, to] of [
    ['DEPLOY_TEMPORAL_CERT_BASE64', 'TEMPORAL_TLS_CLIENT_CERT_DATA'],
    ['DEPLOY_TEMPORAL_KEY_BASE64', 'TEMPORAL_TLS_CLIENT_KEY_DATA'],
  ])
    if (values[from] && values.DEPLOY_TEMPORAL_AUTH === 'mtls') wanted[to] = values[from];
  if (values.DEPLOY_PAYLOAD_ENCRYPTION === 'on') wanted.FLEETSCORE_PAYLOAD_KEYS = values.FLEETSCORE_PAYLOAD_KEYS ?? '';
  const lines = [];
  for (const [name, value] of Object.entries(wanted)) {
    const text = await secretOf(context, value);
    lines.push([name, name.endsWith('_DATA') ? Buffer.from(text, 'base64').toString('utf8') : text]);
  }
  return lines.map(([name, value]) =>
    shell === 'pwsh'
      ? `$env:${name} = '${value.replaceAll("'", "''")}'`
      : `export ${name}='${value.replaceAll("'", `'\\''`)}'`,
  );
}

async function secretOf({ az }, value) {
  const [, subscription, vault, secret] = VAULT.exec(value) ?? [];
  if (secret === undefined) return value;
  const text = await az([
    'keyvault',
    'secret',
    'show',
    '--subscription',
    subscription,
    '--vault-name',
    vault,
    '--name',
    secret,
    '--query',
    'value',
    '--output',
    'tsv',
  ]);
  return text.trimEnd();
}
