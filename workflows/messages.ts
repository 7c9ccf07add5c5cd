/** What a running batch answers and obeys. By name they work from the stock `temporal` command too. */
import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { BatchProgress } from './details.ts';

/** How far a batch is: `temporal workflow query --type progress`. */
export const progressQuery = defineQuery<BatchProgress>('progress');
/** Most child workflows at once, 1 to 500. Returns the new limit. */
export const setConcurrencyUpdate = defineUpdate<number, [number]>('setConcurrency');
/** No new children start until `resume`; those under way go on. */
export const pauseUpdate = defineUpdate<void>('pause');
export const resumeUpdate = defineUpdate<void>('resume');
