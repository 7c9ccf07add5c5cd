/** The event of rows that could not be read, as the problems that its dead letter tells. */
import { MOST_PROBLEMS, type Findings } from '../parse/problems.ts';
import type { EventBody } from '../parse/body.ts';
import { bodyBytes } from '../event.ts';
import { BAD_ROWS_PROPERTY, FILE_PROPERTY, type BadRows } from './marks.ts';

/** More than a file can have: who sends such an event himself may not make a counter leap. */
const MOST_ROWS = 1_000_000_000;

/** Undefined when the event holds something else. */
export function badRowsOf(event: EventBody): Findings | undefined {
  const { properties } = event;
  if (properties?.[BAD_ROWS_PROPERTY] !== 'true') return undefined;
  const rows = parsed(event.body);
  if (!rows) return undefined;
  const file = properties[FILE_PROPERTY];
  const where = typeof file === 'string' ? `${file}, ` : '';
  return {
    problems: rows.rows
      .slice(0, MOST_PROBLEMS)
      .map(({ line, reason }) => ({ reason: 'bad_row', message: `${where}row ${line}: ${reason}`.slice(0, 500) })),
    reasons: { bad_row: Math.min(rows.rows.length + rows.more, MOST_ROWS) },
  };
}

function parsed(body: unknown): BadRows | undefined {
  try {
    const { rows, more } = JSON.parse(Buffer.from(bodyBytes(body) ?? []).toString()) as Partial<BadRows>;
    if (!Array.isArray(rows) || rows.length === 0 || !rows.every(isRow)) return undefined;
    return Number.isSafeInteger(more) && more! >= 0 ? { rows, more: more! } : undefined;
  } catch {
    return undefined; // it is judged as any other event
  }
}

const isRow = (row: unknown): row is BadRows['rows'][number] => typeof row === 'object' && row !== null;
