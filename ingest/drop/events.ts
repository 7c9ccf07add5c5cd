/**
 * The readings of a file as events, and its bad rows between them. The same file gives the same events under the same
 * numbers, so that a worker which takes over finds by the numbers what is in the windows already.
 */
import { SEND_PROPERTY } from '../../domain/send-tally.ts';
import type { IngestEvent } from '../event.ts';
import { FORM } from '../mapping/facts.ts';
import { readingRows, type SentReading } from '../send-readings.ts';
import { BAD_ROWS_PROPERTY, FILE_PROPERTY, type BadRows } from './marks.ts';

export interface FileFacts {
  readonly name: string;
  readonly firstSeq: number;
  readonly begunMs: number;
  readonly sendId: string;
}

/** Readings in an event. */
const READINGS = 500;
/** Bad rows of an event that are kept word by word; the others are counted. */
const ROWS = 100;

export interface FileEvents {
  /** To be told of bad rows while the readings are taken. */
  onBad(line: number, reason: string): void;
  events(readings: AsyncIterable<SentReading>): AsyncGenerator<IngestEvent>;
  /** Readings taken so far. */
  readonly read: number;
}

export function fileEvents(file: FileFacts): FileEvents {
  let seq = file.firstSeq;
  let read = 0;
  let bad: { line: number; reason: string }[] = [];
  let more = 0;
  const event = (body: unknown, properties: object = {}): IngestEvent => ({
    seq,
    offset: String(seq++),
    enqueuedMs: file.begunMs,
    body: Buffer.from(JSON.stringify(body)),
    properties: { [FORM.name]: FORM.readings, [FILE_PROPERTY]: file.name, [SEND_PROPERTY]: file.sendId, ...properties },
  });
  const badRows = (): IngestEvent => {
    const body: BadRows = { rows: bad, more };
    bad = [];
    more = 0;
    return event(body, { [BAD_ROWS_PROPERTY]: 'true' });
  };
  return {
    onBad(line, reason) {
      if (bad.length < ROWS) bad.push({ line, reason });
      else more += 1;
    },
    // Rows are read as readings are asked for: what stands before an event is the same in every run.
    async *events(readings) {
      let held: SentReading[] = [];
      for await (const reading of readings) {
        held.push(reading);
        read += 1;
        if (held.length < READINGS) continue;
        yield event(readingRows(held));
        held = [];
        if (bad.length > 0) yield badRows();
      }
      if (held.length > 0) yield event(readingRows(held));
      if (bad.length > 0) yield badRows();
    },
    get read() {
      return read;
    },
  };
}
