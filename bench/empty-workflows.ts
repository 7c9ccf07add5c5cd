/** A parent with children that do nothing: what children cost by themselves. */
import { startChild } from '@temporalio/workflow';
import { MAX_PENDING, MAX_STARTS } from '../workflows/policies.ts';
import { forEachThrottled, fullSpeed } from '../workflows/throttle.ts';

export async function emptyChild(): Promise<void> {}

/** @param paced as a batch starts its own; otherwise all that may be pending are asked for at once */
export async function emptyChildren(name: string, count: number, paced: boolean): Promise<void> {
  await forEachThrottled(
    Array.from({ length: count }, (_, i) => i),
    fullSpeed(paced ? MAX_STARTS : MAX_PENDING),
    async (i, started) => {
      const child = await startChild(emptyChild, { workflowId: `${name}/${i}` });
      started();
      await child.result();
    },
  );
}
