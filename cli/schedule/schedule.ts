/** `fleetscore schedule ...`: Temporal schedules that start batches. `temporal schedule` drives the same ones. */
import { ScheduleOverlapPolicy, type ScheduleHandle } from '@temporalio/client';
import { countMissed } from '../../batches/schedule-gaps.ts';
import { backfillSchedule } from '../../connect/schedules.ts';
import { isoTime } from '../../domain/time.ts';
import type { Output } from '../frame/command.ts';
import { endedPeriod } from '../frame/period.ts';
import type { Context } from '../frame/context.ts';
import { lastPaint, lastWord, table, when } from '../frame/text.ts';
import { describe, gapsOf, gapsText, look, policyOf, withSchedule, withWarnings } from './describe.ts';
import { takerWarnings } from '../pool/takers.ts';
import type { Batch } from '../../storage/store.ts';
import { SCORE_BATCH } from '../../workflows/names.ts';

export async function list(context: Context): Promise<Output> {
  const client = await context.client();
  const rows = [];
  // The store comes after Temporal has answered: whose trouble it is, is told by what was asked first.
  for await (const entry of client.schedule.list())
    if (entry.action?.workflowType === SCORE_BATCH) {
      const store = await context.store();
      rows.push({
        name: entry.scheduleId,
        paused: entry.state.paused,
        note: entry.state.note ?? '',
        // Temporal goes on to compute times while a schedule is paused: none of them starts a batch.
        next: entry.state.paused ? null : (entry.info.nextActionTimes[0]?.toISOString() ?? null),
        last: lastOf((await store.listBatches({ schedule: entry.scheduleId, limit: 1 }))[0]),
      });
    }
  return {
    data: rows,
    text: table(
      [
        { title: 'Name', whole: true },
        { title: 'State', whole: true },
        { title: 'Next batch (UTC)', whole: true, leave: 2 },
        { title: 'Last batch', whole: true, paint: lastPaint },
        { title: 'Note', leave: 1 },
      ],
      rows.map((row) => [
        row.name,
        row.paused ? 'paused' : 'active',
        row.next === null ? '-' : when(Date.parse(row.next)),
        row.last === null ? '-' : row.last.text,
        row.note,
      ]),
      'No schedules. Create one: fleetscore schedule create NAME --every 15m',
    ),
  };
}

/** The newest batch of a schedule. */
const lastOf = (batch: Batch | undefined) =>
  batch
    ? {
        batch: batch.id,
        status: batch.status,
        class: batch.class ?? null,
        message: batch.message ?? null,
        text: lastWord(batch),
      }
    : null;

async function change(
  context: Context,
  name: string,
  done: string,
  verb: (handle: ScheduleHandle) => Promise<void>,
): Promise<Output> {
  await withSchedule(context, name, verb);
  return { data: { name, [done]: true }, text: `Schedule ${name} ${done}.` };
}

export async function backfill(
  context: Context,
  options: { from: number; to: number; overlap: string },
  name: string,
): Promise<Output> {
  const period = endedPeriod(options, 'let the schedule score what is to come');
  await withSchedule(context, name, async () =>
    backfillSchedule(await context.client(), name, period, policyOf(options.overlap)),
  );
  const span = `${when(options.from)} to ${when(options.to)} UTC`;
  return warned(
    {
      data: { name, from: isoTime(options.from), to: isoTime(options.to) },
      text: `Backfill of ${name} from ${span} started. See \`fleetscore batch list\`.`,
    },
    await takerWarnings(context),
  );
}

export const pause = (context: Context, { note }: { readonly note?: string }, name: string): Promise<Output> =>
  change(context, name, 'paused', (schedule) => schedule.pause(note ?? 'paused by fleetscore schedule pause'));

export async function resume(context: Context, { note }: { readonly note?: string }, name: string): Promise<Output> {
  const gaps = await gapsOf(context, await look(context, name)); // before it starts batches again
  const done = await change(context, name, 'resumed', (schedule) =>
    schedule.unpause(note ?? 'resumed by fleetscore schedule resume'),
  );
  const left = gapsText(name, gaps);
  return {
    data: { ...(done.data as object), notScored: countMissed(gaps) },
    text: left === undefined ? done.text : `${done.text}\nNot scored: ${left}`,
  };
}

export async function trigger(context: Context, _: object, name: string): Promise<Output> {
  const done = await change(context, name, 'triggered', (schedule) =>
    schedule.trigger(ScheduleOverlapPolicy.ALLOW_ALL),
  );
  return warned(done, await takerWarnings(context));
}

const warned = ({ data, text }: Output, warnings: readonly string[]): Output => ({
  data: { ...(data as object), warnings },
  text: withWarnings(text, warnings),
});

export const remove = (context: Context, _: object, name: string): Promise<Output> =>
  change(context, name, 'deleted', (schedule) => schedule.delete());

export const show = (context: Context, _: object, name: string): Promise<Output> => describe(context, name);
