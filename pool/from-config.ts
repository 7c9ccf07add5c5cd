/**
 * A configured pool on Azure, where a workspace is named. Its workers get addresses from this process's
 * environment, and never a secret.
 */
import type { TokenCredential } from '@azure/identity';
import { HANDED_ON, need, type Config, type Env } from '../config.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { holdsSecret } from '../domain/redact.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { withFallback } from './azure-ml/fallback.ts';
import { createAzureMlPool } from './azure-ml/pool.ts';
import type { AzureMlTarget } from './azure-ml/target.ts';
import type { ConfiguredPool } from './configured.ts';
import { forgetRelease, releaseNode } from './lease.ts';
import type { Pool } from './pool.ts';
import type { PoolSettings } from './settings.ts';
import { defined } from '../domain/defined.ts';

const HANDED_REMEDY: Readonly<Record<string, string>> = {
  FLEETSCORE_SQL_URL: 'Use a connection string with a managed identity (Authentication=Active Directory Default).',
  FLEETSCORE_BLOB_URL: "Use the account's address alone: the node's managed identity signs in.",
  OTEL_EXPORTER_OTLP_ENDPOINT: 'Use an address without user info; nodes reach a collector inside the network.',
};

/**
 * The variables that workers on other machines get: those that the table marks, and the store's address without a
 * password.
 */
export function workerEnv(env: Env, settings: Pick<PoolSettings, 'taskQueue'>): Record<string, string> {
  const handed: Record<string, string> = {
    FLEETSCORE_WORKER_IDLE_EXIT: env.FLEETSCORE_WORKER_IDLE_EXIT || '1h',
    FLEETSCORE_SCORING_QUEUE: settings.taskQueue,
  };
  for (const name of [...HANDED_ON, 'FLEETSCORE_SQL_URL']) {
    const value = env[name];
    if (!value) continue;
    if (holdsSecret(value))
      throw new FleetscoreError(
        'INVALID_CONFIG',
        `${name} holds a password or a key, and variables of jobs can be read in the workspace. ` +
          (HANDED_REMEDY[name] ?? 'Give it without one.'),
      );
    handed[name] = value;
  }
  return handed;
}

export interface AzurePoolDeps {
  readonly config: Config;
  readonly env: Env;
  readonly blobs: BlobStore;
  readonly credential: TokenCredential;
}

/** @throws FleetscoreError `NOT_CONFIGURED`, `INVALID_CONFIG` */
export function azurePool(deps: AzurePoolDeps, { settings, cluster, fallback }: ConfiguredPool): Pool {
  const target = targetOf(deps, settings, cluster);
  const pool = openCluster(deps, settings.name, target);
  if (!fallback) return pool;
  const vmSize = fallback.vmSize ?? settings.vmSize;
  const behind = openCluster(deps, settings.name, {
    ...target,
    cluster: fallback.cluster,
    vmSize,
    priority: 'dedicated',
  });
  return withFallback(pool, behind, {
    lowName: target.cluster,
    dedicatedName: fallback.cluster,
    afterMs: fallback.afterMs,
    vmSize,
    ...defined({ maxNodes: fallback.maxNodes }),
  });
}

function targetOf({ config, env }: AzurePoolDeps, settings: PoolSettings, cluster: string | undefined): AzureMlTarget {
  const aml = need(config.pool.aml, 'The workspace of Azure Machine Learning', 'FLEETSCORE_AML_WORKSPACE_ID');
  const [, , subscriptionId, , resourceGroup, , , , workspace] = aml.workspaceId.split('/');
  return {
    subscriptionId: subscriptionId!,
    resourceGroup: resourceGroup!,
    workspace: workspace!,
    location: aml.location,
    cluster: cluster ?? aml.cluster,
    vmSize: settings.vmSize,
    priority: settings.priority,
    idleBeforeScaleDown: `PT${Math.max(1, Math.round(settings.spinDownMs / 60_000))}M`,
    environmentId: need(
      aml.environmentId,
      'The environment with the image of the workers',
      'FLEETSCORE_AML_ENVIRONMENT_ID',
    ),
    command: aml.command,
    workerEnv: workerEnv(env, settings),
    maxJobTime: 'P7D',
    ...defined({ subnetId: aml.subnetId, identityId: aml.identityId }),
  };
}

function openCluster({ blobs, credential }: AzurePoolDeps, name: string, target: AzureMlTarget): Pool {
  return createAzureMlPool({
    name,
    target,
    credential,
    release: (node) => releaseNode(blobs, name, node),
    forget: (node) => forgetRelease(blobs, name, node),
  });
}
