/**
 * One command job is one node with one worker. The job's name is the node's id, so asking twice starts nothing
 * twice. Only queued jobs are cancelled; workers end by themselves when they are let go.
 */
import type { AzureMachineLearningWorkspaces, CommandJob, JobBase } from '@azure/arm-machinelearning';
import { messageOf } from '../../domain/errors.ts';
import type { NodeState, PoolNode } from '../pool.ts';
import { armError, statusCode } from './errors.ts';
import { APP_TAG, computeId, type AzureMlTarget } from './target.ts';

/**
 * The service's order is Starting, Preparing, Queued, Running: the answer to the PUT says `Starting` already, long
 * before a machine is allocated (recording test_command_job_with_dataset of 2026-03-27 in Azure/azure-sdk-assets;
 * Queued is "waiting for all required nodes to be ready", reference of MachineLearningJobStatus). So nothing before
 * Running tells of a machine; the cluster's counts of nodes do (pool.ts). A job that does not respond may come back, by
 * the same reference.
 */
const STATE: Readonly<Record<string, NodeState>> = {
  NotStarted: 'queued',
  Starting: 'queued',
  Provisioning: 'queued',
  Preparing: 'queued',
  Queued: 'queued',
  Running: 'ready',
  Finalizing: 'leaving',
  NotResponding: 'leaving',
  CancelRequested: 'leaving',
  Completed: 'ended',
  Canceled: 'ended',
  Failed: 'failed',
};
const stateOf = (job: JobBase): NodeState => STATE[job.properties.status ?? ''] ?? 'queued';
const isCancellable = (job: JobBase): boolean => stateOf(job) === 'queued';

/** Jobs of this pool that are not archived, newest first. */
export async function listNodes(
  client: AzureMachineLearningWorkspaces,
  t: AzureMlTarget,
  pool: string,
): Promise<PoolNode[]> {
  const nodes: PoolNode[] = [];
  try {
    for await (const job of client.jobs.list(t.resourceGroup, t.workspace, {
      jobType: 'Command',
      tag: APP_TAG,
      listViewType: 'ActiveOnly',
    })) {
      if (job.properties.tags?.[APP_TAG] !== pool || job.name === undefined) continue;
      if (job.properties.computeId?.toLowerCase() !== computeId(t).toLowerCase()) continue;
      const state = stateOf(job);
      nodes.push({
        id: job.name,
        state,
        requestedAtMs: job.systemData?.createdAt?.getTime() ?? 0,
        ...(state === 'failed' ? { detail: `job ${job.properties.status}` } : {}),
      });
    }
    return nodes;
  } catch (error) {
    throw armError(error, `list the jobs of pool ${pool}`);
  }
}

export async function submit(
  client: AzureMachineLearningWorkspaces,
  t: AzureMlTarget,
  pool: string,
  node: string,
): Promise<void> {
  const job: CommandJob = {
    jobType: 'Command',
    computeId: computeId(t),
    environmentId: t.environmentId,
    command: t.command,
    experimentName: 'fleetscore-workers',
    displayName: node,
    tags: { [APP_TAG]: pool },
    environmentVariables: { ...t.workerEnv, FLEETSCORE_NODE: node, FLEETSCORE_POOL: pool },
    // The client fills in this size when it reads a job, and archiving sends what was read: nothing may differ.
    resources: { instanceCount: 1, shmSize: '2g' },
    limits: { jobLimitsType: 'Command', timeout: t.maxJobTime },
    identity: { identityType: 'Managed' },
  };
  try {
    await client.jobs.createOrUpdate(t.resourceGroup, t.workspace, node, { properties: job });
  } catch (error) {
    if (statusCode(error) === 409 || isTaken(error)) return; // asked for already
    throw armError(error, `submit the job of node ${node}`);
  }
}

/**
 * The same name again is 200 with the same body, and 400 UserError with another, as after a change of the worker's
 * variables (MicrosoftDocs/azure-docs#122250).
 */
const isTaken = (error: unknown): boolean =>
  statusCode(error) === 400 && /a job with this name already exists/i.test(messageOf(error));

/** Cancels a job that still waits for its machine; false when it does not, or is not there. */
export async function cancelIfQueued(
  client: AzureMachineLearningWorkspaces,
  t: AzureMlTarget,
  node: string,
  pollMs?: number,
): Promise<boolean> {
  const scope = [t.resourceGroup, t.workspace, node] as const;
  try {
    if (!isCancellable(await client.jobs.get(...scope))) return false;
    await client.jobs.beginCancelAndWait(...scope, pollMs === undefined ? {} : { updateIntervalInMs: pollMs });
    return true;
  } catch (error) {
    if (statusCode(error) === 404) return false;
    throw armError(error, `cancel the queued job of node ${node}`);
  }
}

/** Takes an ended job out of the list that every look pages through. It stays in the workspace, archived. */
export async function archive(client: AzureMachineLearningWorkspaces, t: AzureMlTarget, node: string): Promise<void> {
  try {
    const job = await client.jobs.get(t.resourceGroup, t.workspace, node);
    await client.jobs.createOrUpdate(t.resourceGroup, t.workspace, node, {
      properties: { ...job.properties, isArchived: true },
    });
  } catch (error) {
    throw armError(error, `archive the job of node ${node}`);
  }
}
