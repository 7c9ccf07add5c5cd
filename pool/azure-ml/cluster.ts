/**
 * The compute cluster. It is made once; afterwards only its scale settings are patched, because a PUT would
 * overwrite whatever else was set on it.
 */
import type {
  AmlCompute,
  AmlComputeProperties,
  AzureMachineLearningWorkspaces,
  ComputeResource,
} from '@azure/arm-machinelearning';
import { armError, statusCode } from './errors.ts';
import type { AzureMlTarget } from './target.ts';

export interface ClusterState {
  readonly maxNodes: number;
  readonly minNodes: number;
  /** Machines that are allocated now. */
  readonly nodes: number;
  /** Of these, the ones that are coming up or wait for a job: the oldest queued jobs get them. */
  readonly free: number;
  readonly preempted: number;
  readonly unusable: number;
  /** What the service could not do, `code: message`. */
  readonly errors: readonly string[];
  /** True when an error says that no more machines are to be had. */
  readonly full: boolean;
}

/** Codes and words of "no more": core quota, low-priority capacity, subnet without addresses. */
const FULL =
  /quota|AllocationFailed|AllocationTime(?:d)?Out|OutOfCapacity|NotEnoughCapacity|SkuNotAvailable|SubnetIsFull/i;

export async function readCluster(
  client: AzureMachineLearningWorkspaces,
  target: AzureMlTarget,
): Promise<ClusterState | undefined> {
  const found = await get(client, target);
  if (!found) return undefined;
  const p = amlProperties(found);
  const errors = (p.errors ?? []).map(({ error }) => `${error?.code ?? 'error'}: ${error?.message ?? ''}`);
  return {
    maxNodes: p.scaleSettings?.maxNodeCount ?? 0,
    minNodes: p.scaleSettings?.minNodeCount ?? 0,
    // Counts are null while a cluster is made (recording test_aml_compute_create_and_delete of 2024-12).
    nodes: p.currentNodeCount ?? 0,
    free: (p.nodeStateCounts?.preparingNodeCount ?? 0) + (p.nodeStateCounts?.idleNodeCount ?? 0),
    preempted: p.nodeStateCounts?.preemptedNodeCount ?? 0,
    unusable: p.nodeStateCounts?.unusableNodeCount ?? 0,
    errors,
    full: errors.some((text) => FULL.test(text)),
  };
}

/** @param pollMs between two looks at a long operation; the service's own advice when absent */
export async function ensureCluster(
  client: AzureMachineLearningWorkspaces,
  target: AzureMlTarget,
  maxNodes: number,
  pollMs?: number,
): Promise<string[]> {
  const found = await get(client, target);
  const wait = pollMs === undefined ? {} : { updateIntervalInMs: pollMs };
  const scaleSettings = {
    minNodeCount: 0,
    maxNodeCount: maxNodes,
    nodeIdleTimeBeforeScaleDown: target.idleBeforeScaleDown,
  };
  const scope = [target.resourceGroup, target.workspace, target.cluster] as const;
  try {
    if (!found) {
      await client.computeOperations.beginCreateOrUpdateAndWait(...scope, newCluster(target, scaleSettings), wait);
      return [`cluster ${target.cluster} made: 0 to ${maxNodes} nodes of ${target.vmSize}, ${target.priority}`];
    }
    const { scaleSettings: old } = amlProperties(found);
    const notes = differences(found, target);
    // Never lowered: the pool asks for fewer by itself. So a cluster that Bicep made needs no right to change it.
    if (old?.maxNodeCount !== undefined && old.maxNodeCount >= maxNodes) return notes;
    await client.computeOperations.beginUpdateAndWait(
      ...scope,
      {
        properties: {
          scaleSettings: {
            ...scaleSettings,
            ...(old?.nodeIdleTimeBeforeScaleDown
              ? { nodeIdleTimeBeforeScaleDown: old.nodeIdleTimeBeforeScaleDown }
              : {}),
            minNodeCount: old?.minNodeCount ?? 0,
          },
        },
      },
      wait,
    );
    return [
      ...notes,
      `cluster ${target.cluster}: at the most ${maxNodes} nodes, before ${old?.maxNodeCount ?? 'unset'}`,
    ];
  } catch (error) {
    const most = found && amlProperties(found).scaleSettings?.maxNodeCount;
    if (most !== undefined && statusCode(error) === 403)
      return [
        `cluster ${target.cluster} stays at ${most} nodes at the most, not ${maxNodes}: the identity of this ` +
          'process may not change it; raise maxNodes where the cluster is made',
      ];
    throw armError(error, `prepare cluster ${target.cluster}`);
  }
}

/** What of a cluster is not as configured, and stays as it is. */
function differences(found: ComputeResource, target: AzureMlTarget): string[] {
  const { vmSize, vmPriority } = amlProperties(found);
  const notes: string[] = [];
  if (vmSize && vmSize.toLowerCase() !== target.vmSize.toLowerCase())
    notes.push(
      `cluster ${target.cluster} has machines of ${vmSize}, not ${target.vmSize}: the size of a cluster ` +
        'cannot be changed, so name another cluster for another size',
    );
  if (vmPriority && vmPriority !== priorityOf(target))
    notes.push(`cluster ${target.cluster} is ${vmPriority}, not ${priorityOf(target)}: it stays so`);
  return notes;
}

async function get(client: AzureMachineLearningWorkspaces, t: AzureMlTarget): Promise<ComputeResource | undefined> {
  try {
    return await client.computeOperations.get(t.resourceGroup, t.workspace, t.cluster);
  } catch (error) {
    if (statusCode(error) === 404) return undefined;
    throw armError(error, `read cluster ${t.cluster}`);
  }
}

const amlProperties = (resource: ComputeResource): AmlComputeProperties =>
  (resource.properties as AmlCompute | undefined)?.properties ?? {};
const priorityOf = (t: AzureMlTarget): 'Dedicated' | 'LowPriority' =>
  t.priority === 'low-priority' ? 'LowPriority' : 'Dedicated';

function newCluster(
  t: AzureMlTarget,
  scaleSettings: NonNullable<AmlComputeProperties['scaleSettings']>,
): ComputeResource {
  const properties: AmlComputeProperties = {
    osType: 'Linux',
    vmSize: t.vmSize,
    vmPriority: priorityOf(t),
    scaleSettings,
    remoteLoginPortPublicAccess: 'Disabled',
    ...(t.subnetId === undefined ? {} : { subnet: { id: t.subnetId }, enableNodePublicIp: false }),
  };
  const compute: AmlCompute = { computeType: 'AmlCompute', disableLocalAuth: true, properties };
  return {
    location: t.location,
    properties: compute,
    identity:
      t.identityId === undefined
        ? { type: 'SystemAssigned' }
        : { type: 'UserAssigned', userAssignedIdentities: { [t.identityId]: {} } },
  };
}
