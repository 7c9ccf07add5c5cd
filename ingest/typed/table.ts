/** A file whose columns have types, as rows of cells. */
import { FleetscoreError } from '../../domain/errors.ts';
import type { RowEvents } from '../csv/read.ts';
import type { SentReading } from '../send-readings.ts';
import type { Cell } from '../table/cells.ts';
import { listOf, type Plan } from '../table/layout.ts';
import { createTableReader, type TableFormat } from '../table/rows.ts';

export interface TypedTable {
  /** Of the columns that hold one value a row. */
  readonly names: readonly string[];
  /** Rows with the wanted columns filled, others are absent. */
  rows(wanted: readonly number[]): AsyncIterable<readonly Cell[]>;
  close(): Promise<void>;
}

/** Places of the columns that a reader of rows looks at. */
export const wantedBy = ({ plan }: { readonly plan: Plan }): number[] =>
  [
    ...plan.ts,
    plan.device,
    plan.quality ?? -1,
    ...(plan.kind === 'wide' ? plan.sensors.map(({ at }) => at) : [plan.sensor, plan.value]),
  ].filter((at) => at >= 0);

/**
 * Bad rows are told by their number, from 1.
 *
 * @throws FleetscoreError `FILE_COLUMNS`, `FILE_UNREADABLE`
 */
export async function* readTyped(
  table: TypedTable,
  events: RowEvents,
  format: TableFormat,
): AsyncGenerator<SentReading> {
  const { names } = table;
  const reader = createTableReader(names, format);
  if ('problem' in reader)
    throw new FleetscoreError('FILE_COLUMNS', `the columns ${listOf(names)} do not fit: ${reader.problem}.`);
  let number = 0;
  for await (const cells of table.rows(wantedBy(reader))) {
    number++;
    const row = reader.read(cells);
    if (typeof row === 'string') {
      events.onBad(number, row);
      continue;
    }
    for (const reason of row.problems) events.onBad(number, reason);
    if (row.missing > 0 || row.notGood !== undefined) events.onRow?.(row);
    yield* row.readings;
  }
  events.onAmbiguous?.(reader.ambiguous());
}
