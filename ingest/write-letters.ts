/**
 * Dead letters of one partition. Writing one must not stop what is behind its event: what Blob refuses for good is
 * written again without its body, and when that is refused too, told in the log and passed. The event itself is in
 * raw capture.
 */
import { messageOf } from '../domain/errors.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { deadLetter, deadLetterName, putDeadLetter, shortLetter, type DeadLetter } from './dead-letters.ts';
import type { IngestEvent } from './event.ts';
import type { IngestLog } from './log.ts';
import type { Findings } from './parse/problems.ts';

export interface LetterWriter {
  /** @throws FleetscoreError `INGEST_STOPPED` */
  write(
    letters: readonly { readonly event: IngestEvent; readonly found: Findings }[],
    options?: { readonly replace: boolean },
  ): Promise<void>;
}

export interface LetterDeps {
  readonly blobs: BlobStore;
  readonly folder: string;
  readonly partition: string;
  readonly log: IngestLog;
  /** Tries until it succeeds, or throws what does not pass after `refusedAfter` tries. */
  readonly retry: <T>(what: string, work: () => Promise<T>, options: { readonly refusedAfter: number }) => Promise<T>;
  /** A letter could not be written in any form. */
  readonly onLost: () => void;
}

const AT_ONCE = 16;
/** Tries of a whole letter before it is written short. */
const TRIES = 4;
/**
 * Tries of a short one, half a minute: what is refused then is not refused for what the event holds, and rights may
 * come late.
 */
const SHORT_TRIES = 12;

export function createLetterWriter({ blobs, folder, partition, log, retry, onLost }: LetterDeps): LetterWriter {
  const put = (letter: DeadLetter, replace: boolean, refusedAfter: number): Promise<void> =>
    retry('dead letter', () => putDeadLetter(blobs, folder, letter, replace), { refusedAfter });
  const writeOne = async (event: IngestEvent, found: Findings, replace: boolean): Promise<void> => {
    const whole = deadLetter(partition, event, found);
    try {
      await put(whole, replace, TRIES);
    } catch (error) {
      rethrowEnd(error);
      try {
        await put(shortLetter(whole, messageOf(error).slice(0, 300)), replace, SHORT_TRIES);
      } catch (again) {
        rethrowEnd(again);
        onLost();
        log.error(
          {
            partition,
            seq: event.seq,
            letter: deadLetterName(folder, partition, event),
            problems: found.problems.slice(0, 1),
            error: messageOf(again),
          },
          'a dead letter could not be written, and was passed: its event is in raw capture. ' +
            'Check the rights on the container deadletters',
        );
      }
    }
  };
  return {
    async write(letters, { replace } = { replace: false }) {
      for (let i = 0; i < letters.length; i += AT_ONCE)
        await Promise.all(letters.slice(i, i + AT_ONCE).map(({ event, found }) => writeOne(event, found, replace)));
      const [first] = letters;
      if (first)
        log.warn(
          {
            partition,
            events: letters.length,
            firstSeq: first.event.seq,
            reason: first.found.problems[0]?.reason,
            message: first.found.problems[0]?.message,
          },
          'events with readings that cannot be taken, see dead letters',
        );
    },
  };
}

/** The end of the worker is no refusal. */
function rethrowEnd(error: unknown): void {
  if ((error as { readonly code?: unknown }).code === 'INGEST_STOPPED') throw error;
}
