/**
 * Where a consumer link starts, from the selector in its source filter (Event Hubs, "AMQP 1.0 protocol guide":
 * a comparison of one annotation with `>` or `>=`). Offset -1 is before the first event, @latest behind the last; that
 * of a namespace with geo-replication has its epoch before and the sequence number behind.
 */
import type { Sender } from 'rhea';
import type { StartPosition } from './log-reader.ts';

const SELECTOR =
  /^\s*amqp\.annotation\.x-opt-(offset|sequence-number|enqueued-time)\s*(>=|>)\s*'?(?:\d+:)?(@latest|-?\d+)(?::\d+)?'?\s*$/;
const KINDS: Readonly<Record<string, 'offset' | 'sequence' | 'time'>> = {
  offset: 'offset',
  'sequence-number': 'sequence',
  'enqueued-time': 'time',
};

/** The position a selector stands for; none means the latest. `undefined` when it is not understood. */
export function parseSelector(selector: string | undefined): StartPosition | undefined {
  if (selector === undefined || selector === '') return { kind: 'latest' };
  const [, annotation = '', operator, value] = SELECTOR.exec(selector) ?? [];
  if (value === '@latest') return { kind: 'latest' };
  const kind = KINDS[annotation];
  return kind === undefined ? undefined : { kind, value: Number(value), inclusive: operator === '>=' };
}

/** The selector of a consumer link. */
export function selectorOf(link: Sender): string | undefined {
  const filter: unknown = link.source?.filter?.['apache.org:selector-filter:string'];
  if (filter === undefined || filter === null) return undefined;
  const value: unknown = typeof filter === 'object' && 'value' in filter ? filter.value : filter;
  return String(value);
}
