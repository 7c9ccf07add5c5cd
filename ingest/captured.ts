/**
 * Files of Event Hubs Capture as what can be sent again: their events are parsed as ingest parses them, and their
 * readings go as readings of today. `ingest rebuild` is for windows of the hub that they were captured from.
 */
import { readCapture } from './capture-file.ts';
import type { RowEvents } from './csv/read.ts';
import { createEventParser, type ParseSettings } from './parse-event.ts';
import type { SentReading } from './send-readings.ts';

/** @throws FleetscoreError `CAPTURE_UNREADABLE`, `FORMAT_TOO_NEW` */
export async function* readCaptured(
  chunks: AsyncIterable<Buffer>,
  name: string,
  events: RowEvents,
  settings?: ParseSettings,
): AsyncGenerator<SentReading> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  const parse = createEventParser(settings);
  let number = 0;
  for (const event of readCapture(Buffer.concat(parts), name)) {
    number++;
    const { readings, problems } = parse(event);
    for (const { message } of problems) events.onBad(number, message);
    for (const { quality, ...reading } of readings)
      yield { ...reading, ...(quality === undefined ? undefined : { quality: String(quality) }) };
  }
}
