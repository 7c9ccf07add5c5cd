/**
 * Pools as configured: one from FLEETSCORE_POOL_*, or several from a file. A pool on Azure runs where a
 * workspace is named; workers there get addresses from this process's environment, and never a secret.
 */
import { readFile } from 'node:fs/promises';
import type { TokenCredential } from '@azure/identity';
import { z } from 'zod';
import { need, type Config, type Env } from '../config.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { parseDuration } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { createAzureMlPool } from './azure-ml/pool.ts';
import type { AzureMlTarget } from './azure-ml/target.ts';
import { forgetRelease, releaseNode } from './lease.ts';
import type { Pool } from './pool.ts';
import { loadPrices, priceOf } from './prices.ts';
import { checkLimits, DEFAULT_AZURE_POOL, DEFAULT_POOL, type KeepWarm, type PoolSettings } from './settings.ts';

/** `break-even`, `never`, `always` or a duration. @throws FleetscoreError `INVALID_LIMITS` */
export function parseKeepWarm(text: string): KeepWarm {
  if (text === 'break-even' || text === 'never' || text === 'always') return text;
  try {
    return parseDuration(text);
  } catch {
    throw new FleetscoreError('INVALID_LIMITS', `keep-warm takes break-even, never, always or a time such as 20m, got ${JSON.stringify(text)}.`);
  }
}

const duration = z.string().transform((text) => parseDuration(text));
const poolFile = z.array(z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9-]{1,40}$/),
  taskQueue: z.string().min(1),
  cluster: z.string().optional(),
  vmSize: z.string().optional(),
  priority: z.enum(['dedicated', 'low-priority']).optional(),
  share: z.number().min(0).max(1).optional(),
  minNodes: z.number().int().optional(),
  maxNodes: z.number().int().optional(),
  idle: duration.optional(),
  keepWarm: z.string().transform(parseKeepWarm).optional(),
  finishWithin: duration.optional(),
})).min(1);

export interface ConfiguredPool {
  readonly settings: PoolSettings;
  /** Cluster of the pool, on Azure. */
  readonly cluster?: string;
}

/** @throws FleetscoreError `INVALID_POOLS`, `INVALID_LIMITS`, `PRICES_UNREADABLE`, `PRICE_UNKNOWN` */
export async function configuredPools(config: Config): Promise<ConfiguredPool[]> {
  const { pool } = config;
  const base: PoolSettings = {
    ...(pool.aml ? DEFAULT_AZURE_POOL : DEFAULT_POOL), name: pool.name, taskQueue: config.scoring.queue, vmSize: pool.vmSize, priority: pool.priority,
    minNodes: pool.minNodes, keepWarm: parseKeepWarm(pool.keepWarm), finishWithinMs: pool.finishWithinMs,
    ...(pool.maxNodes === undefined ? {} : { maxNodes: pool.maxNodes }), ...(pool.idleMs === undefined ? {} : { idleMs: pool.idleMs }),
  };
  const entries = pool.poolsFile === undefined ? [{ settings: base }] : await readPools(pool.poolsFile, base);
  const prices = pool.pricesFile === undefined ? undefined : await loadPrices(pool.pricesFile);
  return entries.map((entry) => {
    const { vmSize, priority } = entry.settings;
    const pricePerNodeHour = prices === undefined ? 0 : priceOf(prices, vmSize, priority, pool.pricesRegion).perHour;
    return { ...entry, settings: checkLimits({ ...entry.settings, pricePerNodeHour }) };
  });
}

async function readPools(path: string, base: PoolSettings): Promise<ConfiguredPool[]> {
  const wrong = (why: string, cause?: unknown): FleetscoreError =>
    new FleetscoreError('INVALID_POOLS', `the file of pools ${path} (FLEETSCORE_POOLS_FILE) cannot be used: ${why}.`, { cause });
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw wrong(messageOf(error), error);
  }
  let parsed;
  try {
    parsed = poolFile.safeParse(json);
  } catch (error) {
    throw wrong(messageOf(error), error);
  }
  if (!parsed.success) throw wrong(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
  for (const key of ['name', 'taskQueue'] as const)
    if (new Set(parsed.data.map((entry) => entry[key])).size < parsed.data.length) throw wrong(`two pools have the same ${key}`);
  return parsed.data.map(({ cluster, idle, finishWithin, ...rest }) => {
    const set = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as Partial<PoolSettings>;
    const settings = { ...base, ...set, ...(idle === undefined ? {} : { idleMs: idle }), ...(finishWithin === undefined ? {} : { finishWithinMs: finishWithin }) };
    return { settings, ...(cluster === undefined ? {} : { cluster }) };
  });
}

/** Variables that workers on other machines need. Keys and passwords are not among them. */
const HANDED_ON = [
  'TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE', 'TEMPORAL_TLS', 'TEMPORAL_TLS_SERVER_NAME', 'FLEETSCORE_BLOB_URL', 'FLEETSCORE_WINDOW', 'FLEETSCORE_HOP', 'FLEETSCORE_LOG_LEVEL',
  'FLEETSCORE_SCORING_THREADS', 'FLEETSCORE_SCORING_CONCURRENCY', 'FLEETSCORE_MODEL_CACHE_BYTES', 'FLEETSCORE_MAX_MODEL_BYTES', 'FLEETSCORE_MODEL_TIMEOUT',
  'FLEETSCORE_PREDICTIONS_FORMAT', 'FLEETSCORE_EXECUTION_PROVIDER',
  'FLEETSCORE_WORKER_DRAIN_GRACE', 'FLEETSCORE_WORKER_RECYCLE_BYTES', 'APPLICATIONINSIGHTS_CONNECTION_STRING',
] as const;
const HAS_PASSWORD = /(^|;)\s*(password|pwd)\s*=/i;

export function workerEnv(env: Env, settings: Pick<PoolSettings, 'taskQueue'>): Record<string, string> {
  const handed: Record<string, string> = { FLEETSCORE_WORKER_IDLE_EXIT: env.FLEETSCORE_WORKER_IDLE_EXIT || '1h', FLEETSCORE_SCORING_QUEUE: settings.taskQueue };
  for (const name of HANDED_ON) if (env[name]) handed[name] = env[name];
  const sql = env.FLEETSCORE_SQL_URL;
  if (sql && HAS_PASSWORD.test(sql))
    throw new FleetscoreError('INVALID_CONFIG', 'FLEETSCORE_SQL_URL holds a password, and variables of jobs can be read in the workspace. Use a connection string with a managed identity (Authentication=Active Directory Default).');
  if (sql) handed.FLEETSCORE_SQL_URL = sql;
  return handed;
}

export interface AzurePoolDeps {
  readonly config: Config;
  readonly env: Env;
  readonly blobs: BlobStore;
  readonly credential: TokenCredential;
}

/** @throws FleetscoreError `NOT_CONFIGURED`, `INVALID_CONFIG` */
export function azurePool({ config, env, blobs, credential }: AzurePoolDeps, { settings, cluster }: ConfiguredPool): Pool {
  const aml = need(config.pool.aml, 'The workspace of Azure Machine Learning', 'FLEETSCORE_AML_WORKSPACE_ID');
  const [, , subscriptionId, , resourceGroup, , , , workspace] = aml.workspaceId.split('/');
  const target: AzureMlTarget = {
    subscriptionId: subscriptionId!, resourceGroup: resourceGroup!, workspace: workspace!, location: aml.location, cluster: cluster ?? aml.cluster,
    vmSize: settings.vmSize, priority: settings.priority, idleBeforeScaleDown: `PT${Math.max(1, Math.round(settings.spinDownMs / 60_000))}M`,
    environmentId: need(aml.environmentId, 'The environment with the image of the workers', 'FLEETSCORE_AML_ENVIRONMENT_ID'), command: aml.command,
    workerEnv: workerEnv(env, settings), maxJobTime: 'P7D',
    ...(aml.subnetId === undefined ? {} : { subnetId: aml.subnetId }), ...(aml.identityId === undefined ? {} : { identityId: aml.identityId }),
  };
  return createAzureMlPool({
    name: settings.name, target, credential,
    release: (node) => releaseNode(blobs, settings.name, node), forget: (node) => forgetRelease(blobs, settings.name, node),
  });
}
