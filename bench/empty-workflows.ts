/** A parent with children that do nothing: what children cost by themselves. */
import { proxyActivities, startChild } from '@temporalio/workflow';
import { MAX_PENDING, MAX_STARTS } from '../workflows/policies.ts';
import { forEachThrottled, fullSpeed } from '../workflows/throttle.ts';

export async function emptyChild(): Promise<void> {}

const { doNothing } = proxyActivities<{ doNothing(): Promise<void> }>({ startToCloseTimeout: '1m' });

/** What an activity costs that does nothing: two tasks of the workflow instead of one, three more events. */
export async function childWithActivity(): Promise<void> {
  await doNothing();
}

/**
 * @param paced as a batch starts its own; otherwise all that may be pending are asked for at once
 * @param active each child has an activity, which does nothing either
 */
export async function emptyChildren(name: string, count: number, paced: boolean, active = false): Promise<void> {
  await forEachThrottled(
    Array.from({ length: count }, (_, i) => i),
    fullSpeed(paced ? MAX_STARTS : MAX_PENDING),
    async (i, started) => {
      const child = await startChild(active ? childWithActivity : emptyChild, { workflowId: `${name}/${i}` });
      started();
      await child.result();
    },
  );
}
