/** The workflows of fleetscore, as a worker registers them, and what they do when a new version of it comes. */
import { setWorkflowOptions } from '@temporalio/workflow';
import { scalePool } from './scale-pool.ts';
import { scoreBatch } from './score-batch.ts';
import { scoreSensors } from './score-sensors.ts';

export { pauseUpdate, progressQuery, resumeUpdate, setConcurrencyUpdate } from './messages.ts';
export { scalePool, scoreBatch, scoreSensors };

// A batch ends on the version it started on. A pool's loop never ends, so it goes along with each new one.
setWorkflowOptions({ versioningBehavior: 'PINNED' }, scoreBatch);
setWorkflowOptions({ versioningBehavior: 'PINNED' }, scoreSensors);
setWorkflowOptions({ versioningBehavior: 'AUTO_UPGRADE' }, scalePool);
