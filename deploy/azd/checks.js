/**
 * What would end a deployment after minutes, found in seconds before it: values that break the parameter file, names
 * that deleted vaults still have, a region without the machines of the profile, no quota. What cannot be asked is told
 * and passed; only what is certain to fail ends the hook.
 */
import { fillParameters } from '../check/parameters.js';
import { need, rest } from './context.js';

const ML = 'Microsoft.MachineLearningServices';
const QUOTA_PAGE = 'https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas';

/** @throws Error that names the parameter. azd itself asks for what is missing, and so nothing is missing here */
export function checkValues({ env, parameters }) {
  const asked = Object.fromEntries([...parameters.matchAll(/\$\{(\w+)/g)].map(([, name]) => [name, 'x']));
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value));
  fillParameters(parameters, { ...asked, ...given });
}

/**
 * Names of vaults are made of subscription, environment and region, and stay taken while a deleted one is kept.
 * @throws Error with the command that frees the name
 */
export async function checkNames(context) {
  const { env, say } = context;
  const subscription = need(env, 'AZURE_SUBSCRIPTION_ID');
  const path = `/subscriptions/${subscription}/providers/Microsoft.KeyVault/deletedVaults?api-version=2025-05-01`;
  const group = `/resourcegroups/rg-${env.AZURE_ENV_NAME ?? ''}/`.toLowerCase();
  const plain = (text = '') => text.toLowerCase().replaceAll(' ', '');
  let deleted;
  try {
    deleted = (await rest(context, 'get', path))?.value ?? [];
  } catch (error) {
    if (/is not installed/.test(String(error.message))) throw error;
    say(`deleted key vaults could not be listed (${String(error.message).split('\n')[0]}); going on`);
    return;
  }
  const own = deleted.filter(
    ({ properties = {} }) =>
      plain(properties.vaultId).includes(group) && plain(properties.location) === plain(env.AZURE_LOCATION),
  );
  if (own.length === 0) return;
  const lines = own.map(({ name, properties }) =>
    properties.purgeProtectionEnabled
      ? `${name} is protected from being purged, and gone on ${properties.scheduledPurgeDate}: until then take ` +
        `another environment name (azd env new), or get it back with az keyvault recover --name ${name}`
      : `az keyvault purge --name ${name} --location ${env.AZURE_LOCATION} --subscription ${subscription}`,
  );
  throw new Error(
    `${own.map(({ name }) => name).join(', ')}: deleted with an environment of this name, and not purged, so that ` +
      `the name is taken. Free it:\n${lines.join('\n')}`,
  );
}

/** Cores of one node, which its size says. */
const coresOf = (vmSize) => Number(/^standard_[a-z]+(\d+)/i.exec(vmSize)?.[1] ?? 1);

/**
 * Whether the usages of a region leave no room for one node of this kind: true only where the entry is there, since
 * names of families are the service's own. A cluster whose quota holds no node is not made at all (Azure/mlops-v2#81).
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
  return mine.length > 0 && mine.every((usage) => usage.limit < coresOf(vmSize));
}

/** Whether Azure Machine Learning names sizes in the region, and this one not among them, or not at low priority. */
export function hasNoSize(sizes, { vmSize, vmPriority }) {
  if (sizes.length === 0) return false;
  const found = sizes.find(({ name }) => name?.toLowerCase() === vmSize.toLowerCase());
  return found === undefined || (vmPriority === 'LowPriority' && found.lowPriorityCapable === false);
}

const kindOf = ({ vmSize, vmPriority }) =>
  vmPriority === 'LowPriority' ? `${vmSize} at low priority` : `${vmSize}, dedicated`;

const quotaAdvice = (kind, env) =>
  'This subscription has no quota of ' +
  `${kind.vmPriority === 'LowPriority' ? 'low-priority cores' : `cores for ${kind.vmSize}`} that holds one node ` +
  `for Azure Machine Learning in ${env.AZURE_LOCATION}. Ask for it (portal, Quotas, Machine Learning; ${QUOTA_PAGE}).`;

const sizeAdvice = (kind, env) =>
  `Azure Machine Learning has no ${kindOf(kind)} in ${env.AZURE_LOCATION}: set vmSize or vmPriority in ` +
  `deploy/bicep/profiles/${env.DEPLOY_PROFILE || 'tryout'}.json to what az ml compute list-sizes --location ` +
  `${env.AZURE_LOCATION} shows.`;

export const clusterAdvice = (env) =>
  `No scoring cluster was made in ${env.AZURE_LOCATION}, for want of machines or of quota: the hook before said ` +
  'which. All else works; batches wait. Once it is mended, azd provision makes the cluster.';

/** Sets DEPLOY_MAKE_CLUSTER: a cluster that cannot be made would end the deployment of all else. */
export async function checkCluster(context) {
  const { env, azd, say } = context;
  const kind = context.sizes(env.DEPLOY_PROFILE || 'tryout');
  const [subscription, location] = ['AZURE_SUBSCRIPTION_ID', 'AZURE_LOCATION'].map((name) => need(env, name));
  const place = `/subscriptions/${subscription}/providers/${ML}/locations/${location}`;
  const ask = async (what, name) => {
    try {
      return (await rest(context, 'get', `${place}/${what}?api-version=2025-06-01`))?.value ?? [];
    } catch (error) {
      say(
        `the ${name} of Azure Machine Learning could not be read (${String(error.message).split('\n')[0]}); going on`,
      );
      return [];
    }
  };
  const noSize = hasNoSize(await ask('vmSizes', 'sizes of machines'), kind);
  const noQuota = hasNoQuota(await ask('usages', 'quota'), kind);
  if (noSize) say(sizeAdvice(kind, env));
  if (noQuota) say(quotaAdvice(kind, env));
  const wanted = noSize || noQuota ? 'no' : 'yes';
  if ((env.DEPLOY_MAKE_CLUSTER ?? 'yes') !== wanted) await azd(['env', 'set', 'DEPLOY_MAKE_CLUSTER', wanted]);
}
