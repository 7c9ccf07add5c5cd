/** Files of the drop as rows of either engine. */
import { DROP_STATES, type DropResult, type DropState, type HeldDrop } from '../domain/drop.ts';
import { defined } from '../domain/defined.ts';
import { sha256Of } from '../domain/sha256.ts';

export interface DroppedRow {
  readonly name: string;
  readonly etag: string;
  readonly form: string;
  readonly bytes: number | string;
  readonly state: string;
  readonly firstSeq: number | string;
  readonly sendId: string;
  readonly holder: string;
  readonly heldUntilMs: number | string;
  readonly begunMs: number | string;
  readonly endedMs: number | string | null;
  readonly result: string | null;
}

/** Key of a file: names are longer than an index of SQL Server takes. */
export const dropKey = (name: string): string => sha256Of(name);

/** What both engines select. */
export const DROPPED_COLUMNS =
  'name, etag, form, bytes, state, first_seq AS firstSeq, send_id AS sendId, holder, ' +
  'held_until_ms AS heldUntilMs, begun_ms AS begunMs, ended_ms AS endedMs, result';

export const toDropped = (row: DroppedRow): HeldDrop => ({
  name: row.name,
  etag: row.etag,
  form: row.form,
  bytes: Number(row.bytes),
  state: row.state as DropState,
  firstSeq: Number(row.firstSeq),
  sendId: row.sendId,
  holder: row.holder,
  heldUntilMs: Number(row.heldUntilMs),
  begunMs: Number(row.begunMs),
  ...resultOf(row),
});

/** While a file is read the column holds what is known of its readers, and then what became of it. */
function resultOf({ state, endedMs, result }: DroppedRow): Pick<HeldDrop, 'deaths' | 'endedMs' | 'result'> {
  const said: unknown = result === null ? undefined : JSON.parse(result);
  if (state === 'reading') return { deaths: (said as Deaths | undefined)?.deaths ?? 0 };
  return { deaths: 0, endedMs: Number(endedMs), ...defined({ result: said as DropResult | undefined }) };
}

interface Deaths {
  readonly deaths: number;
}

export const readersText = ({ deaths }: Deaths): string => JSON.stringify({ deaths });

export function dropCounts(
  rows: readonly { readonly state: string; readonly n: number | string }[],
): Record<DropState, number> {
  const of = (state: DropState): number => Number(rows.find((row) => row.state === state)?.n ?? 0);
  return Object.fromEntries(DROP_STATES.map((state) => [state, of(state)])) as Record<DropState, number>;
}
