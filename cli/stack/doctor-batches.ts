/**
 * What `fleetscore doctor` says of batches: schedules whose newest batch failed, batches by hand that failed and were
 * not made good since, and workflows that do not go on.
 */
import type { Context } from '../frame/context.ts';
import { STUCK_REMEDY, stuckWorkflows } from '../../connect/workflow-problems.ts';
import { BATCH_REMEDIES } from '../../domain/batch-failure.ts';
import { formatNumberOf } from '../../report/format.ts';
import { harmless } from '../../report/text-width.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import { newestBySchedule } from '../status/look.ts';
import { DAY_MS } from '../../domain/time.ts';

/** The newest ended batch of every schedule that has not rested for long is among so many. */
const LOOKED_AT = 500;
/** A batch by hand is told for so long: whoever started it has looked at it by then. */
const BY_HAND_MS = DAY_MS;
/** So many of them are shown. */
const SHOWN = 5;

/** @throws Error that says what is wrong, with the remedy */
export async function lookAtBatches(context: Context): Promise<string> {
  const store = await context.store();
  const ended = (await store.listBatches({ limit: LOOKED_AT })).filter(hasEnded);
  const newest = newestBySchedule(ended);
  const byHand = failedByHand(ended, Date.now());
  const stuck = await stuckWorkflows(await context.client());
  const lines = [
    ...[...newest].flatMap(([schedule, batch]) =>
      batch.status === 'failed' ? [failed(`schedule ${schedule}: its newest batch`, batch)] : [],
    ),
    ...byHand.slice(0, SHOWN).map((batch) => failed('started by hand:', batch)),
    ...(byHand.length > SHOWN
      ? [`and ${formatNumberOf(byHand.length - SHOWN, 'batch', 'batches')} by hand that failed`]
      : []),
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

/**
 * Of the newest batches those that nobody scheduled, that failed in the last day, and whose period no later batch
 * completed.
 * @param ended newest first
 */
export function failedByHand(ended: readonly Batch[], nowMs: number): Batch[] {
  return ended.filter(
    ({ schedule, status, fromMs, toMs, startedAtMs, finishedAtMs = 0 }, i) =>
      schedule === undefined &&
      status === 'failed' &&
      finishedAtMs > nowMs - BY_HAND_MS &&
      !ended
        .slice(0, i)
        .some(
          (later) =>
            later.status === 'completed' &&
            later.startedAtMs >= startedAtMs &&
            later.fromMs <= fromMs &&
            later.toMs >= toMs,
        ),
  );
}

function failed(what: string, { id, class: why = 'internal', message = '' }: Batch): string {
  const cut = message.length > 300 ? `${message.slice(0, 300)}...` : message;
  return `${what} ${id} failed (${why}): ${harmless(cut)}\n  to mend: ${BATCH_REMEDIES[why]}`;
}
