/**
 * What the hooks of azd do, as functions over a context of variables and two ways out: `az` (the Azure CLI) and `azd`.
 * Every call names the subscription of azd's environment: the CLI's own choice may be another one. Each step may be
 * repeated. Never run against live Azure; the tests run them against a stand-in for both programs.
 */

const ML = 'Microsoft.MachineLearningServices';
const QUOTA_PAGE = 'https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas';

/** Calls the management API. @returns the parsed answer, or undefined where there is none */
async function rest({ az, env }, method, path, body) {
  const host = env.AZURE_RESOURCE_MANAGER ?? 'https://management.azure.com';
  const text = await az(['rest', '--method', method, '--url', `${host}${path}`], body);
  return text.trim() === '' ? undefined : JSON.parse(text);
}

const inSubscription = ({ env }) => ['--subscription', need(env, 'AZURE_SUBSCRIPTION_ID')];
const isPrivate = ({ env }) => (env.DEPLOY_PRIVATE_NETWORK ?? '').toLowerCase() === 'true';

function need(env, name) {
  const value = env[name];
  if (!value) throw new Error(`${name} is not set: run this through azd, after azd provision`);
  return value;
}

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
 * looked at.
 */
export async function preprovision(context) {
  await stopStreamJob(context);
  await checkQuota(context);
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
  if (env.DEPLOY_MAKE_CLUSTER === 'no') say(quotaAdvice(env));
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
  say('the Stream Analytics job is stopped; it goes on after provisioning where it was');
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

const quotaAdvice = (env) =>
  'No scoring cluster was made: this subscription has no quota of ' +
  `${env.DEPLOY_VM_PRIORITY === 'LowPriority' ? 'low-priority cores' : `cores for ${env.DEPLOY_VM_SIZE}`} ` +
  `for Azure Machine Learning in ${env.AZURE_LOCATION}. Ask for it (portal, Quotas, Machine Learning; ` +
  `${QUOTA_PAGE}), then azd provision makes the cluster. All else works; batches wait.`;

/**
 * Whether the usages of a region leave no core for nodes of this kind: true only where the entry is there and its limit
 * is 0, since names of families are the service's own.
 */
export function hasNoQuota(usages, { vmSize, vmPriority }) {
  const text = (usage) =>
    `${usage.name?.value ?? ''} ${usage.name?.localizedValue ?? ''} ${usage.type ?? ''}`.toLowerCase();
  const family = /^standard_([a-z]+)\d+(?:-\d+)?([a-z]*)(?:_v(\d+))?$/i.exec(vmSize);
  const own = family && `${family[1]}${family[2]}${family[3] ? `v${family[3]}` : ''}family`.toLowerCase();
  const mine = usages.filter((usage) =>
    vmPriority === 'LowPriority'
      ? /low ?priority/.test(text(usage)) && /total/.test(text(usage))
      : own !== null && text(usage).replaceAll(/[ _-]/g, '').includes(own) && !/low ?priority/.test(text(usage)),
  );
  return mine.length > 0 && mine.every((usage) => usage.limit === 0);
}

async function checkQuota(context) {
  const { env, azd, say } = context;
  const kind = context.sizes(env.DEPLOY_PROFILE || 'tryout');
  const path =
    `/subscriptions/${need(env, 'AZURE_SUBSCRIPTION_ID')}/providers/${ML}/locations/` +
    `${need(env, 'AZURE_LOCATION')}/usages?api-version=2025-06-01`;
  let usages;
  try {
    usages = (await rest(context, 'get', path))?.value ?? [];
  } catch (error) {
    say(`the quota of Azure Machine Learning could not be read (${String(error.message).split('\n')[0]}); going on`);
    return;
  }
  const none = hasNoQuota(usages, kind);
  if (none) say(quotaAdvice({ ...env, DEPLOY_VM_SIZE: kind.vmSize, DEPLOY_VM_PRIORITY: kind.vmPriority }));
  const wanted = none ? 'no' : 'yes';
  if ((env.DEPLOY_MAKE_CLUSTER ?? 'yes') !== wanted) await azd(['env', 'set', 'DEPLOY_MAKE_CLUSTER', wanted]);
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
