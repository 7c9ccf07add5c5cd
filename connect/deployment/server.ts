/**
 * Worker deployment versions as Temporal keeps them: which there are, which is current, who runs. Scoring workers
 * only report theirs: they come and go with the pool, hold no workflow, and the input of their activities stays
 * compatible, so a batch of any version may use any of them.
 */
import type { Client } from '@temporalio/client';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { CONTROL_QUEUE } from '../../domain/queues.ts';
import { hasStatus, msOf, WORKER_RUNNING } from '../../domain/temporal-service.ts';
import { livePollers } from '../task-queues.ts';
import type { DeploymentState, VersionState } from './policy.ts';

export const CONTROL_DEPLOYMENT = 'fleetscore-control';
export const SCORING_DEPLOYMENT = 'fleetscore-scoring';

export interface Version extends VersionState {
  /** As Temporal says it: current, ramping, draining, drained, inactive. */
  readonly status: string;
}

export interface Deployment extends DeploymentState {
  /** Newest first. */
  readonly versions: readonly Version[];
  /** Workers that only report their version, by build id. */
  readonly scoring: ReadonlyMap<string, number>;
}

/** False on servers from before worker deployments (Temporal 1.28). */
export async function hasDeployments(client: Client): Promise<boolean> {
  try {
    await client.workflowService.describeWorkerDeployment({
      namespace: client.options.namespace,
      deploymentName: CONTROL_DEPLOYMENT,
    });
    return true;
  } catch (error) {
    if (hasStatus(error, 'NOT_FOUND')) return true;
    if (hasStatus(error, 'UNIMPLEMENTED')) return false;
    throw error;
  }
}

/** Undefined when no versioned worker ever ran in this namespace. */
export async function describeDeployment(client: Client, nowMs: number): Promise<Deployment | undefined> {
  const { namespace } = client.options;
  const info = await client.workflowService
    .describeWorkerDeployment({ namespace, deploymentName: CONTROL_DEPLOYMENT })
    .then(
      (answer) => answer.workerDeploymentInfo,
      (error: unknown) => {
        if (hasStatus(error, 'NOT_FOUND')) return undefined;
        throw error;
      },
    );
  if (!info) return undefined;
  const workers = await liveWorkers(client, nowMs);
  const current = info.routingConfig?.currentDeploymentVersion?.buildId;
  const versions = (info.versionSummaries ?? []).map((summary): Version => {
    const buildId = summary.deploymentVersion?.buildId ?? '';
    return {
      buildId,
      createdAtMs: msOf(summary.createTime),
      activated: Boolean(summary.firstActivationTime ?? summary.lastCurrentTime),
      workers: workers.get(`${CONTROL_DEPLOYMENT}:${buildId}`) ?? 0,
      status: STATUS[String(summary.status)] ?? STATUS_BY_NUMBER[Number(summary.status)] ?? 'inactive',
    };
  });
  const scoring = [...workers]
    .filter(([key]) => key.startsWith(`${SCORING_DEPLOYMENT}:`))
    .map(([key, count]) => [key.slice(SCORING_DEPLOYMENT.length + 1), count] as const);
  return {
    ...(current ? { current } : {}),
    versions: versions.sort((a, b) => b.createdAtMs - a.createdAtMs),
    scoring: new Map(scoring),
  };
}

// temporal.api.enums.v1.WorkerDeploymentVersionStatus, as a name or a number
const STATUS: Readonly<Record<string, string>> = Object.fromEntries(
  ['INACTIVE', 'CURRENT', 'RAMPING', 'DRAINING', 'DRAINED', 'CREATED'].map((name) => [
    `WORKER_DEPLOYMENT_VERSION_STATUS_${name}`,
    name.toLowerCase(),
  ]),
);
const STATUS_BY_NUMBER = ['', ...Object.values(STATUS)];

/** @throws FleetscoreError `VERSION_NOT_PROMOTED` */
export async function promoteVersion(client: Client, buildId: string, identity: string): Promise<void> {
  const { namespace } = client.options;
  try {
    await client.workflowService.setWorkerDeploymentCurrentVersion({
      namespace,
      deploymentName: CONTROL_DEPLOYMENT,
      buildId,
      identity,
    });
  } catch (error) {
    throw new FleetscoreError(
      'VERSION_NOT_PROMOTED',
      `version ${buildId} cannot be made the current one of ${CONTROL_DEPLOYMENT} (${messageOf(error)}). ` +
        `By hand: temporal worker deployment set-current-version --namespace ${namespace} --deployment-name ` +
        `${CONTROL_DEPLOYMENT} --build-id ${buildId}`,
      { retryable: hasStatus(error, 'NOT_FOUND'), cause: error },
    );
  }
}

const AT_ONCE = 8;

/** The running workflows (batches and their children) that are pinned to a version, as a visibility filter. */
export const pinnedTo = (buildId: string): string =>
  `ExecutionStatus = 'Running' AND TemporalWorkerDeploymentVersion = '${CONTROL_DEPLOYMENT}:${buildId}'`;

/**
 * Pins the running workflows of one version to another; they replay there and go on. Returns how many.
 * What waits on the old version's task queue is moved by the server.
 */
export async function moveWorkflows(client: Client, from: string, to: string, identity: string): Promise<number> {
  const executions: { readonly workflowId: string; readonly runId: string }[] = [];
  for await (const { workflowId, runId } of client.workflow.list({ query: pinnedTo(from) }))
    executions.push({ workflowId, runId });
  const queue = executions[Symbol.iterator]();
  let moved = 0;
  const worker = async (): Promise<void> => {
    for (const workflowExecution of queue) {
      try {
        await client.workflowService.updateWorkflowExecutionOptions({
          namespace: client.options.namespace,
          workflowExecution,
          identity,
          updateMask: { paths: ['versioning_override'] },
          workflowExecutionOptions: {
            versioningOverride: {
              pinned: { behavior: PINNED, version: { deploymentName: CONTROL_DEPLOYMENT, buildId: to } },
            },
          },
        });
        moved += 1;
      } catch (error) {
        if (!hasStatus(error, 'NOT_FOUND')) throw error; // it ended meanwhile
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return moved;
}

/** temporal.api.workflow.v1.VersioningOverride.PinnedOverrideBehavior */
const PINNED = 1;

/** Reports come every 2 s; three may be missed. */
const REPORT_LOST_AFTER_MS = 11_000;

/** Live workers by `deployment:buildId`: by their own reports, or by their polls where the server keeps none. */
async function liveWorkers(client: Client, nowMs: number): Promise<Map<string, number>> {
  const { namespace } = client.options;
  const counts = new Map<string, number>();
  const add = (
    version: { readonly deploymentName?: string | null; readonly buildId?: string | null } | null | undefined,
  ): void => {
    const key = `${version?.deploymentName}:${version?.buildId}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  };
  try {
    for (let nextPageToken: Uint8Array | undefined; ;) {
      const page = await client.workflowService.listWorkers({
        namespace,
        pageSize: 200,
        ...(nextPageToken ? { nextPageToken } : {}),
      });
      for (const { workerHeartbeat: beat } of page.workersInfo ?? [])
        if (beat?.status === WORKER_RUNNING && nowMs - msOf(beat.heartbeatTime) <= REPORT_LOST_AFTER_MS)
          add(beat.deploymentVersion);
      nextPageToken = page.nextPageToken?.length ? page.nextPageToken : undefined;
      if (!nextPageToken) return counts;
    }
  } catch (error) {
    if (!hasStatus(error, 'UNIMPLEMENTED')) throw error;
    counts.clear();
    for (const poller of await livePollers(client, CONTROL_QUEUE, 'workflow', nowMs)) add(poller.deploymentOptions);
    return counts;
  }
}
