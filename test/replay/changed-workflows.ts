/** What a careless change looks like: a batch that waits before anything else. Must fail replay. */
import { sleep } from '@temporalio/workflow';
import { scoreBatch as original } from '../../workflows/score-batch.ts';

export async function scoreBatch(request: Parameters<typeof original>[0]): Promise<unknown> {
  await sleep('1m');
  return original(request);
}
export { scoreSensors } from '../../workflows/score-sensors.ts';
