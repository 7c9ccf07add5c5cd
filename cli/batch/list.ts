/**
 * `fleetscore batch list`. What is open on record is asked of Temporal: a batch whose workflow has ended is said to be
 * lost, and never to run.
 */
import type { LostBatches } from '../../batches/lost.ts';
import { closest, didYouMean } from '../../domain/closest.ts';
import { defined } from '../../domain/defined.ts';
import { formatCount as count } from '../../report/format.ts';
import { hasEnded, type Batch, type Store } from '../../storage/store.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { emptyIn, shortPeriod, skippedPaint, statusColumn, table } from '../frame/text.ts';
import { batchData, took } from './show.ts';

interface Wanted {
  readonly schedule?: string;
  readonly status?: Batch['status'];
}

const NONE: LostBatches = new Map();

export async function list(context: Context, options: Wanted & { readonly limit: number }): Promise<Output> {
  const store = await context.store();
  const batches = await store.listBatches(options);
  // Only where there is something to ask: Temporal's client is large.
  const lost = batches.every(hasEnded) ? NONE : await (await import('./lost.ts')).lostAmong(context, batches);
  const text =
    batches.length === 0
      ? emptyIn(context, await noneText(store, options))
      : [batchTable(batches, lost), ...[...lost].map(([id, one]) => `${id} is lost: ${one.text}.`)].join('\n');
  return {
    data: batches.map((batch) => ({ ...batchData(batch), ...defined({ lost: lost.get(batch.id)?.text }) })),
    text,
  };
}

function batchTable(batches: readonly Batch[], lost: LostBatches): string {
  const reasons = batches.some((batch) => batch.class !== undefined);
  return table(
    [
      { title: 'Batch', whole: true },
      { title: 'Period (UTC)', whole: true, leave: 5 },
      statusColumn('Status'),
      { title: 'Scored', align: 'right', leave: 3 },
      { title: 'Skipped', align: 'right', paint: skippedPaint, leave: 4 },
      { title: 'Failed', align: 'right' },
      { title: 'Windows', align: 'right', leave: 1 },
      { title: 'Anomalies', align: 'right' },
      { title: 'Took', align: 'right', leave: 2 },
      ...(reasons ? [{ title: 'Why', leave: 6 }] : []),
    ],
    batches.map((b) => [
      b.id,
      shortPeriod(b),
      lost.has(b.id) ? 'lost' : b.status,
      count(b.counts.scored),
      count(b.counts.skipped),
      count(b.counts.failed),
      count(b.counts.windows),
      count(b.counts.anomalies),
      took(b),
      ...(reasons ? [b.class ?? ''] : []),
    ]),
  );
}

/** Batches among which the name of a schedule is looked for. */
const LOOKED_AT = 1_000;

/** Why the list is empty: nothing was scored yet, or what was asked for is not there. */
async function noneText(store: Store, { schedule, status }: Wanted): Promise<string> {
  const newest = await store.listBatches({ limit: LOOKED_AT });
  if (newest.length === 0) return 'No batches yet. Run one: fleetscore batch run --from TIME --to TIME --wait';
  const asked = schedule === undefined ? '' : ` of schedule ${JSON.stringify(schedule)}`;
  const schedules = new Set(newest.flatMap((batch) => (batch.schedule === undefined ? [] : [batch.schedule])));
  const near = schedule === undefined || schedules.has(schedule) ? [] : closest(schedule, schedules);
  return `There is no ${status === undefined ? '' : `${status} `}batch${asked}.${didYouMean(near)}`;
}
