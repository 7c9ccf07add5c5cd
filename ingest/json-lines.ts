/**
 * Files of JSON lines: events as devices send them and data lakes keep them, one a line. They are parsed as ingest
 * parses events, with its mapping, and their readings go on as those of other files do.
 */
import { FleetscoreError } from '../domain/errors.ts';
import { openEncoding } from './csv/encoding.ts';
import { readLines } from './csv/lines.ts';
import type { CsvFormat, RowEvents } from './csv/read.ts';
import { eventsOf } from './event-file.ts';
import { createEventParser, PARSE_DEFAULTS, type ParseSettings } from './parse-event.ts';
import type { SentReading } from './send-readings.ts';

/** So many events without a reading, and the file is in another form. */
const TRIED = 50;

/** Whether the first line of a file is a JSON object or array of its own. A text that goes on in the next is not. */
export function isJsonLines(beginning: Buffer): boolean {
  const text = beginning.toString('utf8').replace(/^[\uFEFF\s]+/, '');
  if (!/^[[{]/.test(text)) return false;
  try {
    JSON.parse(text.split('\n', 1)[0]!);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param nowMs when the events came that do not say it
 * @throws FleetscoreError `FILE_COLUMNS` when they are no readings; `INVALID_ARGUMENT` for what tables alone have
 */
export async function* readJsonLines(
  chunks: AsyncIterable<Buffer>,
  name: string,
  events: RowEvents,
  format: CsvFormat,
  settings: ParseSettings = PARSE_DEFAULTS,
  nowMs = Date.now(),
): AsyncGenerator<SentReading> {
  const [option] = Object.keys(format);
  if (option !== undefined)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `${name} is JSON lines, whose events are read as those of devices: ${option} is for tables. ` +
        'Leave it out, and say with FLEETSCORE_MAPPING or FLEETSCORE_FIELD_* what is where.',
    );
  const parse = createEventParser(settings);
  const refused: { readonly line: number; readonly message: string }[] = [];
  let isTaken = false;
  const pass = (): void => {
    for (const { line, message } of refused.splice(0)) events.onBad(line, message);
  };
  let count = 0;
  for await (const row of readLines(chunks, openEncoding(), settings.maxBodyBytes)) {
    if ('problem' in row) refused.push({ line: row.line, message: row.problem });
    else if (row.text.trim() !== '') {
      const found = eventsOf(Buffer.from(row.text.replace(/^\uFEFF/, '')), name, nowMs).map(parse);
      count++;
      for (const { message } of found.flatMap(({ problems }) => problems)) refused.push({ line: row.line, message });
      const readings = found.flatMap((one) => one.readings);
      isTaken ||= readings.length > 0;
      if (isTaken) pass();
      for (const { quality, ...reading } of readings)
        yield { ...reading, ...(quality === undefined ? undefined : { quality: String(quality) }) };
    }
    if (isTaken) pass();
    else if (count >= TRIED) break;
  }
  if (!isTaken && count > 0) throw noReadings(name, count, refused[0]?.message);
  pass();
}

const noReadings = (name: string, count: number, why = 'it is empty'): FleetscoreError =>
  new FleetscoreError(
    'FILE_COLUMNS',
    `${name} is JSON lines, and of the ${count} at its beginning none holds a reading: ${why}. ` +
      'Events of another form need a mapping, as those of devices do: fleetscore ingest try FILE shows what they ' +
      'become, and proposes one.',
  );
