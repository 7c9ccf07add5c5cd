/**
 * The events of one delivery as their partition has them: by their numbers, each once. The service delivers them so;
 * what stands between may not (a proxy, another broker that speaks AMQP), and an event that is counted twice or taken
 * for one that was done would be wrong without a word. Events that nobody can place are left out, and named.
 */
import type { IngestEvent } from './event.ts';
import type { IngestLog } from './log.ts';

/** @param onTwice told of each event that is there twice */
export function inOrder(
  events: readonly IngestEvent[],
  { partition, log, onTwice }: { readonly partition: string; readonly log: IngestLog; readonly onTwice: () => void },
): readonly IngestEvent[] {
  if (events.every((event, i) => isPlaced(event) && (i === 0 || events[i - 1]!.seq < event.seq))) return events;
  const placed = events.filter(isPlaced);
  if (placed.length < events.length)
    log.error(
      { partition, events: events.length - placed.length },
      'events without sequence number, offset or time of arrival are left out: no event hub sends such. What delivers them is none, or changes them',
    );
  return placed
    .toSorted((a, b) => a.seq - b.seq)
    .filter((event, i, sorted) => {
      const once = i === 0 || sorted[i - 1]!.seq < event.seq;
      if (!once) onTwice();
      return once;
    });
}

const isPlaced = ({ seq, offset, enqueuedMs }: IngestEvent): boolean =>
  Number.isSafeInteger(seq) && typeof offset === 'string' && Number.isFinite(enqueuedMs);
