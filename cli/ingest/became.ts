/** What became of the readings of a send, as `send --wait` tells it. */
import { notTaken, type SendTally } from '../../domain/send-tally.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';

export interface Became {
  /** All that was sent is in the windows, or left out by a filter. */
  readonly all: boolean;
  /** Ends the first line: `, all ingested`. */
  readonly short: string;
  readonly lines: readonly string[];
  /** Readings that ingest counted as late; absent where it does not count. */
  readonly late?: number;
  readonly data: object | null;
}

/**
 * @param sent events that were sent
 * @param tally what ingest counted; undefined, or of fewer events, where a worker of an earlier version does not count
 */
export function becameOf(sent: { readonly events: number }, tally: SendTally | undefined): Became {
  if (!tally || tally.events < sent.events)
    return {
      all: false,
      short: ', all read',
      lines: [
        'What became of them is not known: the ingest worker is of a version that does not count it. ' +
          'Look at fleetscore ingest status.',
      ],
      data: null,
    };
  const { readings, duplicates, late, tooLate, filtered, dead } = tally;
  const lost = notTaken(tally);
  const also = [
    ...(duplicates > 0
      ? [`${formatNumberOf(duplicates, 'duplicate')}, which ${duplicates === 1 ? 'counts' : 'count'} once`]
      : []),
    ...(late - tooLate > 0 ? [`${formatCount(late - tooLate)} late`] : []),
  ];
  const left = filtered > 0 ? ` Left out by the filter: ${formatCount(filtered)}.` : '';
  const why = [
    ...Object.entries(dead).map(([reason, count]) => `${formatCount(count)} ${reason}`),
    ...(tooLate > 0 ? [`${formatCount(tooLate)} later than the late limit`] : []),
  ];
  return {
    all: lost === 0,
    short: lost === 0 ? ', all ingested' : '',
    late,
    lines: [
      ...(lost > 0 || filtered > 0 || also.length > 0
        ? [`In windows: ${formatCount(readings)}${also.length > 0 ? ` (${also.join('; ')})` : ''}.${left}`]
        : []),
      ...(lost > 0 ? [`Not taken: ${formatCount(lost)} (${why.join('; ')}).`] : []),
      ...(Object.keys(dead).length > 0 ? ['Why, event by event: fleetscore ingest deadletters'] : []),
    ],
    data: { inWindows: readings, duplicates, late: late - tooLate, tooLate, filtered, dead },
  };
}
