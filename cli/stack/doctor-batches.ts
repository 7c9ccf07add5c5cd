/** What `fleetscore doctor` says of batches: schedules whose newest batch failed, and workflows that do not go on. */
import type { Context } from '../frame/context.ts';
import { STUCK_REMEDY, stuckWorkflows } from '../../connect/workflow-problems.ts';
import { BATCH_REMEDIES } from '../../domain/batch-failure.ts';
import { formatNumberOf } from '../../report/format.ts';
import { harmless } from '../../report/text-width.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import { newestBySchedule } from '../status/look.ts';

/** The newest ended batch of every schedule that has not rested for long is among so many. */
const LOOKED_AT = 500;

/** @throws Error that says what is wrong, with the remedy */
export async function lookAtBatches(context: Context): Promise<string> {
  const store = await context.store();
  const newest = newestBySchedule((await store.listBatches({ limit: LOOKED_AT })).filter(hasEnded));
  const stuck = await stuckWorkflows(await context.client());
  const lines = [
    ...[...newest].flatMap(([schedule, batch]) => (batch.status === 'failed' ? [failed(schedule, batch)] : [])),
    ...stuck.map(({ workflowId, problem }) => `workflow ${harmless(workflowId)} does not go on (${problem})`),
    ...(stuck.length === 0 ? [] : [STUCK_REMEDY]),
  ];
  if (lines.length > 0) throw new Error(lines.join('\n'));
  const waiting = (await store.listBatches({ status: 'waiting', limit: LOOKED_AT })).length;
  return `${fineOf(newest.size)}${waiting === 0 ? '' : `; ${formatNumberOf(waiting, 'batch', 'batches')} wait`}`;
}

function fineOf(schedules: number): string {
  if (schedules === 0) return 'no schedule has scored yet';
  if (schedules === 1) return 'the newest of its schedule did not fail';
  return `the newest of each of ${formatNumberOf(schedules, 'schedule')} did not fail`;
}

function failed(schedule: string, { id, class: why = 'internal', message = '' }: Batch): string {
  const cut = message.length > 300 ? `${message.slice(0, 300)}...` : message;
  return `schedule ${schedule}: its newest batch ${id} failed (${why}): ${harmless(cut)}\n  to mend: ${BATCH_REMEDIES[why]}`;
}
