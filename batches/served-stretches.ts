/**
 * Predictions that are served of a sensor, as alarms see them: stretch by stretch, each with some thousand windows that
 * say something, so that millions of windows of a sensor are never in memory at once. Normal windows that follow each
 * other are one item, so most sensors come in one stretch.
 */
import { addItems, fillRows, rowsFor, type EvidenceItem, type PredictedWindow } from '../alarms/evidence.ts';
import type { Stretch, StretchVerdict } from '../alarms/evidence.ts';
import type { Sense } from '../alarms/rules.ts';
import { marginOf, type Threshold } from '../domain/threshold.ts';
import type { Period } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';

export interface ServedOf {
  readonly period: Period;
  readonly batchId: string;
  /** Of the batch that looks; what is served without windows has it. */
  readonly verdict: StretchVerdict;
  /** It had readings. */
  readonly seen: boolean;
  /** The period is only what is left of that of the batch: nothing is known of its readings but its windows. */
  readonly isRest: boolean;
  /** Decides where given: its side and value are taken out of the score, so that below 0 is beyond it. */
  readonly threshold?: Threshold;
  readonly sense: Sense;
  readonly shape: WindowShape;
  /** Windows of the period that were not scored, in order. */
  readonly unscored: readonly EvidenceItem[];
  /** A stretch ends behind so many items, and has less than twice as many. */
  readonly items: number;
}

/** The stretches of a period, in order and without gaps; one at least. @param pages of windows, by time */
export async function* servedStretches(
  pages: AsyncIterable<readonly PredictedWindow[]>,
  of: ServedOf,
): AsyncGenerator<Stretch, undefined> {
  const { period, threshold, sense, shape, items: most } = of;
  const { leadMs = 0 } = shape;
  const scoreOf = threshold ? (score: number): number => marginOf(threshold, score) : undefined;
  const unscored = of.unscored.filter(([, start]) => start >= period.fromMs && start < period.toMs);
  let next = 0;
  let items: EvidenceItem[] = [];
  let fromMs = period.fromMs;
  const cut = (toMs: number): Stretch[] => {
    if (items.length < most) return [];
    const piece = stretchOf(of, fromMs, toMs, items);
    [items, fromMs] = [[], toMs];
    return [piece];
  };
  for await (const page of pages) {
    const rows = rowsFor(page.length);
    fillRows(rows, page, rows, scoreOf);
    const startAt = (row: number): number => page[row]!.tsMs + leadMs;
    for (let from = 0; from < page.length;) {
      for (; next < unscored.length && unscored[next]![1] < startAt(from); next++) {
        yield* cut(unscored[next]![1]);
        items.push(unscored[next]!);
      }
      yield* cut(startAt(from));
      const untilMs = unscored[next]?.[1] ?? Number.POSITIVE_INFINITY;
      let to = from + 1;
      while (to < page.length && to < from + most && startAt(to) < untilMs) to += 1;
      addItems(items, rows, { from, to }, sense, shape);
      from = to;
    }
  }
  for (; next < unscored.length; next++) {
    yield* cut(unscored[next]![1]);
    items.push(unscored[next]!);
  }
  yield stretchOf(of, fromMs, period.toMs, items);
  return undefined;
}

function stretchOf(
  { period, batchId, verdict, seen, isRest }: ServedOf,
  fromMs: number,
  toMs: number,
  items: readonly EvidenceItem[],
): Stretch {
  const none = verdict === 'scored' ? 'no_data' : verdict;
  // Of what was scored every window is an item: a part without any had none.
  const isPart = isRest || fromMs > period.fromMs;
  return {
    fromMs,
    toMs,
    batchId,
    verdict: items.length > 0 ? 'scored' : none,
    seen: items.length > 0 || (seen && !(isPart && verdict === 'scored')),
    items,
  };
}

/** What names where windows are served from: the same gives the same. */
interface Source extends Period {
  readonly batchId: string;
}

export interface StretchReader {
  /** The next stretch of a period: the rest of the period is read by asking from its end on. */
  read(sources: readonly Source[], of: ServedOf): Promise<Stretch>;
}

/**
 * Goes on where the last question ended, without reading anew, as long as the sources are the same. The last stretch is
 * kept, since whoever decides on it may have to do so again.
 */
export function stretchReader(
  pagesOf: (sources: readonly Source[], period: Period) => AsyncIterable<readonly PredictedWindow[]>,
  partOf: (stretch: Stretch, period: Period) => Stretch,
): StretchReader {
  let open:
    | { readonly sources: readonly Source[]; readonly toMs: number; readonly rest: AsyncGenerator<Stretch, undefined> }
    | undefined;
  let last: Stretch | undefined;
  const isSame = (sources: readonly Source[], { fromMs, toMs }: Period): boolean => {
    if (!open || !last || open.toMs !== toMs || fromMs < last.fromMs || fromMs > last.toMs) return false;
    const left = open.sources.filter((source) => source.toMs > fromMs);
    return left.length === sources.length && left.every(({ batchId }, i) => sources[i]!.batchId === batchId);
  };
  return {
    async read(sources, of) {
      const { period } = of;
      if (!isSame(sources, period)) {
        open = { sources, toMs: period.toMs, rest: servedStretches(pagesOf(sources, period), of) };
        last = undefined;
      }
      if (last && period.fromMs < last.toMs) return partOf(last, period);
      const { value } = await open!.rest.next();
      if (!value) throw new Error('a period was read beyond its end');
      last = value;
      return value;
    },
  };
}
