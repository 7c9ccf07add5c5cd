/** Starts the loop of a pool, or hands it the settings of now when it runs already. */
import { WorkflowIdConflictPolicy, type Client } from '@temporalio/client';
import { CONTROL_QUEUE } from '../domain/queues.ts';
import type { scalePool } from '../workflows/scale-pool.ts';
import { checkLimits, poolWorkflowId, type PoolSettings } from '../pool/settings.ts';

export const SCALE_POOL = 'scalePool';

/** Limits set by hand stay, except those that `settings` changed since the loop saw them last. */
export async function ensurePoolLoop(client: Client, settings: PoolSettings): Promise<void> {
  checkLimits(settings);
  const started = Date.now();
  const handle = await client.workflow.start<typeof scalePool>(SCALE_POOL, {
    taskQueue: CONTROL_QUEUE,
    workflowId: poolWorkflowId(settings.name),
    args: [settings],
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    staticSummary: `scales pool ${settings.name}`,
  });
  const { startTime } = await handle.describe();
  if (startTime.getTime() >= started - 1_000) return;
  await handle.startUpdate('configure', { args: [settings], waitForStage: 'ACCEPTED' });
}
