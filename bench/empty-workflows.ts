/** A parent with children that do nothing, started as a batch starts its own: what children cost by themselves. */
import { executeChild } from '@temporalio/workflow';
import { forEachThrottled, fullSpeed } from '../workflows/throttle.ts';

export async function emptyChild(): Promise<void> {}

export async function emptyChildren(count: number): Promise<void> {
  await forEachThrottled(Array.from({ length: count }, (_, i) => i), fullSpeed(), async (i) => {
    await executeChild(emptyChild, { workflowId: `empty/${i}` });
  });
}
