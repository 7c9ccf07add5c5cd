/** Variables of pools of scoring workers. See table.ts. */
import { duration, matching, oneOf, text, whole } from './values.ts';
import { variable } from './variable.ts';

export const POOL = {
  name: variable(
    'FLEETSCORE_POOL',
    matching(/^[A-Za-z0-9-]{1,40}$/, 'letters, digits and hyphens, at most 40'),
    { preset: 'scoring' },
    'Name of the pool. The pool sets it on the workers that it starts.',
  ),
  maxNodes: variable(
    'FLEETSCORE_POOL_MAX_NODES',
    whole(0, 1000),
    { presetText: '2; 4 on Azure' },
    'Most nodes of the worker pool. On a laptop a node is a process.',
  ),
  minNodes: variable('FLEETSCORE_POOL_MIN_NODES', whole(0, 1000), { preset: '0' }, 'Fewest nodes of the pool.'),
  idleMs: variable(
    'FLEETSCORE_POOL_IDLE',
    duration,
    { presetText: '30s; 2m on Azure' },
    'A node without work is let go after this time.',
  ),
  keepWarm: variable(
    'FLEETSCORE_POOL_KEEP_WARM',
    text,
    { preset: 'break-even' },
    'Whether idle nodes stay for the next batch: break-even, never, always, or while it is due within a ' +
      'time such as 20m.',
  ),
  finishWithinMs: variable(
    'FLEETSCORE_POOL_FINISH_WITHIN',
    duration,
    { preset: '5m' },
    'A batch is to be scored within this time: it decides how many nodes a batch gets.',
  ),
  vmSize: variable(
    'FLEETSCORE_POOL_VM_SIZE',
    text,
    { preset: 'Standard_D2s_v5' },
    'Machine size of the nodes. On a laptop it only decides whose price is shown.',
  ),
  priority: variable(
    'FLEETSCORE_POOL_PRIORITY',
    oneOf('dedicated', 'low-priority'),
    { preset: 'dedicated' },
    'Whether nodes are dedicated machines, or cheaper ones that Azure may take back.',
  ),
  fallbackCluster: variable(
    'FLEETSCORE_AML_FALLBACK_CLUSTER',
    text,
    {},
    'Dedicated cluster that a low-priority pool asks when it had no machine for so long. Azure only.',
  ),
  fallbackAfterMs: variable(
    'FLEETSCORE_POOL_FALLBACK_AFTER',
    duration,
    { preset: '10m' },
    'How long a node of a low-priority pool waits for a machine before the fallback cluster is asked.',
  ),
  poolsFile: variable(
    'FLEETSCORE_POOLS_FILE',
    text,
    {},
    'JSON file with several pools: a list of objects with name, taskQueue, cluster, vmSize, limits and ' +
      'fallback. One has the queue `scoring`; models name the others.',
  ),
  pricesFile: variable(
    'FLEETSCORE_PRICES_FILE',
    text,
    {},
    "Price file in the shape of Azure's retail price API; deploy/prices.sample.json is one.",
  ),
  pricesRegion: variable('FLEETSCORE_PRICES_REGION', text, {}, 'Region to take from the price file.'),
  aml: {
    workspaceId: variable(
      'FLEETSCORE_AML_WORKSPACE_ID',
      matching(
        /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.MachineLearningServices\/workspaces\/[^/]+$/i,
        'the resource id of a workspace: /subscriptions/.../workspaces/NAME',
      ),
      {},
      'Azure Machine Learning workspace whose cluster runs the pool: its resource id. ' +
        'Without it nothing is scaled on Azure.',
    ),
    location: variable('FLEETSCORE_AML_LOCATION', text, { preset: 'westeurope' }, 'Azure region of the cluster.'),
    cluster: variable('FLEETSCORE_AML_CLUSTER', text, { preset: 'fleetscore' }, 'Name of the compute cluster.'),
    environmentId: variable(
      'FLEETSCORE_AML_ENVIRONMENT_ID',
      text,
      {},
      "Environment of the workspace that holds the worker's image.",
    ),
    command: variable(
      'FLEETSCORE_AML_COMMAND',
      text,
      { preset: 'node /app/dist/workers/scoring.js' },
      'Command that starts a worker in that environment.',
    ),
    subnetId: variable(
      'FLEETSCORE_AML_SUBNET_ID',
      text,
      {},
      'Resource id of the subnet of the nodes, which then have no public addresses.',
    ),
    identityId: variable(
      'FLEETSCORE_AML_IDENTITY_ID',
      text,
      {},
      'Resource id of the user-assigned identity of the nodes.',
    ),
  },
};
