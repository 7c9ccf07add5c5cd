/**
 * How much of what alarms are decided on is read at once, the same on either engine. Sizes are looked at first, so that
 * a sensor with a link a batch over years, or with thousands of windows in each, is never in memory as a whole.
 */
import type { EvidenceItem } from '../alarms/evidence.ts';
import { defined } from '../domain/defined.ts';
import type { AlarmSignal, ChainLimits } from './store.ts';

/** Of signals as text, in the sensors that are decided on together. */
const MOST_SIGNAL_BYTES = 4 * 1024 * 1024;

/** How many of the first rows fit: one at least, where there is one. */
export function fittingSignals(rows: readonly { readonly bytes: number | string | null }[]): number {
  let bytes = 0;
  const over = rows.findIndex((row) => (bytes += Number(row.bytes ?? 0)) > MOST_SIGNAL_BYTES);
  return over === -1 ? rows.length : Math.max(1, over);
}

/** What a row of signals holds: items, or the windows that are in no file where the others are read from one. */
export function signalOf(text: string | null): Omit<AlarmSignal, 'sensorId'> {
  if (text === null) return {};
  const parsed = JSON.parse(text) as readonly EvidenceItem[] | { readonly unscored: readonly EvidenceItem[] };
  return 'unscored' in parsed ? parsed : { items: parsed };
}

export const signalText = ({ items, unscored = [] }: AlarmSignal): string => JSON.stringify(items ?? { unscored });

export interface LinkSize {
  readonly fromMs: number;
  readonly toMs: number;
  readonly bytes: number;
}

/** The links of one sensor around a time, without what is in them. */
export interface SizedChain {
  /** The newest two that begin before the time, the newest first. */
  readonly before: readonly LinkSize[];
  /** Those that begin then or later, in order, as many as were looked at. */
  readonly after: readonly LinkSize[];
  /** There are more. */
  readonly isCut: boolean;
}

/** Starts of the links to read. */
export interface FittingChain {
  readonly entry?: number;
  readonly links: readonly number[];
  readonly untilMs?: number;
}

/** Of chains in order as many as fit, the last one in part if need be; a link of the first in any case. */
export function fittingChains(
  chains: Iterable<SizedChain & { readonly fromMs: number }>,
  most: ChainLimits,
): FittingChain[] {
  const fitting: FittingChain[] = [];
  let room = most;
  for (const chain of chains) {
    const { entry, over, links, next, left } = fitted(chain, room, fitting.length === 0);
    room = left;
    const isNothing = next !== undefined && links.length === 0 && !over;
    if (fitting.length > 0 && (left.bytes < 0 || isNothing)) break;
    fitting.push({
      links: [...(over ? [over] : []), ...links].map(({ fromMs }) => fromMs),
      ...defined({ entry: entry?.fromMs, untilMs: next?.fromMs }),
    });
    if (next) break;
  }
  return fitting;
}

/** What fits of one chain. @param isFirst one of its links fits in any case */
function fitted(
  { fromMs, before, after, isCut }: SizedChain & { readonly fromMs: number },
  room: ChainLimits,
  isFirst: boolean,
) {
  const [last, previous] = before;
  const over = last !== undefined && last.toMs > fromMs ? last : undefined;
  const entry = over ? previous : last;
  let links = room.links - Number(over !== undefined);
  let bytes = room.bytes - (entry?.bytes ?? 0) - (over?.bytes ?? 0);
  let count = 0;
  const isOwed = isFirst && !over;
  while (count < after.length && ((isOwed && count === 0) || (links > 0 && bytes >= after[count]!.bytes))) {
    links -= 1;
    bytes -= after[count]!.bytes;
    count += 1;
  }
  // Where all that were looked at fit and there are more, the last one is left for the next turn.
  const next = after[count] ?? (isCut ? after[--count] : undefined);
  return { entry, over, links: after.slice(0, count), next, left: { links, bytes } };
}
