/** Where and how an Azure Machine Learning pool runs its nodes: ids of resources that exist, and what a node runs. */
import type { NodePriority } from '../settings.ts';

export interface AzureMlTarget {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly workspace: string;
  /** Region of the cluster, for example westeurope. */
  readonly location: string;
  /** Name of the compute cluster; made when it is missing. */
  readonly cluster: string;
  readonly vmSize: string;
  readonly priority: NodePriority;
  /** The service takes a node away that has had no job for this long; ISO 8601. */
  readonly idleBeforeScaleDown: string;
  /** Nodes get an address of this subnet, and no public one. */
  readonly subnetId?: string;
  /** User-assigned identity of the nodes; a system-assigned one when absent. */
  readonly identityId?: string;
  /** Environment of the workspace that holds our container image. */
  readonly environmentId: string;
  readonly command: string;
  /** Environment variables of the workers: addresses, never secrets. */
  readonly workerEnv: Readonly<Record<string, string>>;
  /** A node's job is ended by the service after this time, ISO 8601: no forgotten worker runs on. */
  readonly maxJobTime: string;
}

/** Marks our jobs among those of the workspace. */
export const APP_TAG = 'fleetscore-pool';

export const computeId = (t: AzureMlTarget): string =>
  `/subscriptions/${t.subscriptionId}/resourceGroups/${t.resourceGroup}` +
  `/providers/Microsoft.MachineLearningServices/workspaces/${t.workspace}/computes/${t.cluster}`;
