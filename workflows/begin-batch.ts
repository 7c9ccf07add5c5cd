/** How a batch comes to its plan: on record first, then once its period has ended and its readings are complete. */
import { patched, proxyActivities, sleep } from '@temporalio/workflow';
import type { BatchPlan, ControlActivities, PlanInput, ReadingsState } from './activities.ts';
import { defined } from '../domain/defined.ts';
import type { BatchProgress } from './details.ts';
import { CONTROL_ACTIVITY, RECORD_ACTIVITY, waitPollMs } from './policies.ts';
import { ON_RECORD } from './close-batch.ts';
import type { ParsedRequest } from './requests.ts';

const { readingsReady, planBatch } = proxyActivities<ControlActivities>(CONTROL_ACTIVITY);
const { announceBatch } = proxyActivities<ControlActivities>(RECORD_ACTIVITY);

export type Show = (change: Partial<BatchProgress>) => void;

/** How far the readings are is of no interest once they are waited for no more. */
export function withoutPastWait(progress: BatchProgress): BatchProgress {
  if (progress.phase === 'waiting for readings') return progress;
  const { watermarkMs: _, neededMs: __, ...rest } = progress;
  return rest;
}

/** On record, and planned along with it where that can be at once; else null, and its period has ended. */
export async function begin(
  batch: PlanInput,
  { waitUntilMs, toMs }: ParsedRequest,
  show: Show,
): Promise<BatchPlan | null> {
  if (!patched(ON_RECORD)) return null;
  const plan = await announceBatch.executeWithOptions({ summary: 'on record before anything can fail' }, [
    { ...batch, waitUntilMs },
  ]);
  if (!plan) await untilItsEnd(toMs, () => show({ phase: 'waiting for the end of its period' }));
  return plan;
}

export async function planWhenReady(batch: PlanInput, parsed: ParsedRequest, show: Show): Promise<BatchPlan> {
  show({ phase: 'waiting for readings' });
  await waitForReadings(parsed, ({ watermarkMs, neededMs }) => show(defined({ watermarkMs, neededMs })));
  show({ phase: 'planning' });
  return planBatch.executeWithOptions({ summary: 'sensors, release, groups' }, [batch]);
}

/** Nothing can be there before: a timer, and no look at anything, for as long as that takes. */
async function untilItsEnd(toMs: number, onWait: () => void): Promise<void> {
  const leftMs = toMs - Date.now();
  if (leftMs <= 0) return;
  onWait();
  await sleep(leftMs);
}

async function waitForReadings(parsed: ParsedRequest, onWait: (state: ReadingsState) => void): Promise<void> {
  const { fromMs, toMs, waitUntilMs } = parsed;
  const startedMs = Date.now();
  for (;;) {
    const state = await readingsReady.executeWithOptions({ summary: 'are the readings of the period complete?' }, [
      { fromMs, toMs, waitUntilMs },
    ]);
    if (state.ready) return;
    onWait(state);
    await sleep(waitPollMs(Date.now() - startedMs));
  }
}
