/** The workflows of fleetscore, as a worker registers them, and what they do when a new version of it comes. */
import { setWorkflowOptions, workflowInfo } from '@temporalio/workflow';
import { scalePool } from './scale-pool.ts';
import { scoreBatch } from './score-batch.ts';
import { scoreSensors } from './score-sensors.ts';

export { pauseUpdate, progressQuery, resumeUpdate, setConcurrencyUpdate } from './messages.ts';
export { scalePool, scoreBatch, scoreSensors };

// A worker with versions pins batches by default: each ends on the version it started on. A pool's loop never ends, so
// it goes along with each new one. The server refuses such words from a worker without versions.
setWorkflowOptions(
  () => (workflowInfo().currentDeploymentVersion?.deploymentName ? { versioningBehavior: 'AUTO_UPGRADE' } : {}),
  scalePool,
);
