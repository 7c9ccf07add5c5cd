/**
 * `fleetscore ingest try FILE|-`: what each event of a file would become with a payload mapping, and why not. Nothing
 * is sent or stored, and no stack is needed.
 */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { ingestSettings } from '../../connect/ingest-settings.ts';
import { readMapping } from '../../connect/mapping.ts';
import { mappingSource } from '../../config/values.ts';
import { whyUnreadable } from '../../domain/unreadable.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { isoTime } from '../../domain/time.ts';
import type { IngestEvent } from '../../ingest/event.ts';
import { readEventFile } from '../../ingest/event-file.ts';
import { createFilter } from '../../ingest/filter.ts';
import { suggestMapping, type Suggestion } from '../../ingest/mapping/suggest.ts';
import { createEventParser, deadIn, type ParsedEvent, type ParseSettings } from '../../ingest/parse-event.ts';
import { INGEST_DEFAULTS, parseSettings } from '../../ingest/settings.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { table, when } from '../frame/text.ts';

interface TryOptions {
  readonly mapping?: string;
  /** When events came that do not say it, epoch ms. */
  readonly enqueued?: number;
  readonly limit: number;
}

interface Tried {
  readonly event: IngestEvent;
  readonly parsed: ParsedEvent;
  /** Readings that FLEETSCORE_FILTER_* leaves out. */
  readonly filtered: number;
}

export async function tryFile(context: Context, options: TryOptions, file: string): Promise<Output> {
  const { mapping: configured, ...rest } = { ...INGEST_DEFAULTS, ...ingestSettings(context.config) };
  const mapping = options.mapping === undefined ? configured : readMapping(mappingSource(options.mapping), '--mapping');
  const settings = parseSettings(mapping === undefined ? rest : { ...rest, mapping });
  const events = readEventFile(
    await bytesOf(file),
    file === '-' ? 'standard input' : file,
    options.enqueued ?? Date.now(),
  );
  const parse = createEventParser(settings);
  const filter = createFilter(rest.filter);
  const tried = events.map((event): Tried => {
    const parsed = parse(event);
    return { event, parsed, filtered: filter ? parsed.readings.filter((reading) => !filter(reading)).length : 0 };
  });
  const name = mapping?.name ?? 'default';
  const refused = tried.reduce((sum, { parsed }) => sum + deadIn(parsed), 0);
  const other = refused === 0 ? undefined : proposal(tried, settings, name);
  return {
    data: { mapping: name, ...countsOf(tried), refused, suggestion: other?.name ?? null, events: tried.map(dataOf) },
    text: [
      ...readingsText(tried, options.limit),
      ...problemsText(tried, options.limit),
      summary(tried, name, other),
    ].join('\n'),
    ...(refused > 0 ? { exitCode: EXIT_FAILED } : {}),
  };
}

async function bytesOf(file: string): Promise<Uint8Array> {
  if (file === '-') return await buffer(process.stdin);
  try {
    return await readFile(file);
  } catch (error) {
    throw new FleetscoreError('FILE_UNREADABLE', `${file} cannot be read: ${whyUnreadable(error)}.`, { cause: error });
  }
}

/** A ready-made mapping that takes events which the one that was tried refuses. */
function proposal(tried: readonly Tried[], settings: ParseSettings, name: string): Suggestion | undefined {
  const refused = tried.filter(({ parsed }) => parsed.problems.length > 0).map(({ event }) => event);
  const found = suggestMapping(refused, settings);
  return found?.name === name ? undefined : found;
}

function countsOf(tried: readonly Tried[]): { readonly readings: number; readonly filtered: number } {
  return {
    readings: tried.reduce((sum, { parsed }) => sum + parsed.readings.length, 0),
    filtered: tried.reduce((sum, { filtered }) => sum + filtered, 0),
  };
}

const dataOf = ({ event, parsed }: Tried): object => ({
  event: event.seq,
  readings: parsed.readings.map(({ tsMs, ...reading }) => ({ time: isoTime(tsMs), ...reading })),
  problems: parsed.problems,
  reasons: parsed.reasons ?? {},
});

function readingsText(tried: readonly Tried[], limit: number): string[] {
  const all = tried.flatMap(({ event, parsed }) => parsed.readings.map((reading) => ({ seq: event.seq, ...reading })));
  if (all.length === 0) return [];
  const hasQuality = all.some(({ quality }) => quality !== undefined);
  const shown = table(
    [
      { title: 'Event', align: 'right' },
      { title: 'Time (UTC)', whole: true },
      { title: 'Device' },
      { title: 'Sensor' },
      { title: 'Value', align: 'right' },
      ...(hasQuality ? [{ title: 'Quality' }] : []),
    ],
    all
      .slice(0, limit)
      .map(({ seq, tsMs, device, sensor, value, quality }) => [
        String(seq),
        when(tsMs),
        device,
        sensor,
        String(value),
        ...(hasQuality ? [String(quality ?? '')] : []),
      ]),
  );
  return [shown, ...(all.length > limit ? [`The first ${formatCount(limit)}; --limit shows more.`] : []), ''];
}

function problemsText(tried: readonly Tried[], limit: number): string[] {
  const lines = tried.flatMap(({ event, parsed }) => {
    const told = parsed.problems.map(
      ({ reason, message, index }) =>
        `event ${event.seq}${index === undefined ? '' : `, item ${index}`}: ${reason}: ${message}`,
    );
    const more = deadIn(parsed) - parsed.problems.length;
    return more > 0 ? [...told, `event ${event.seq}: and ${formatCount(more)} more`] : told;
  });
  if (lines.length === 0) return [];
  return [
    ...lines.slice(0, limit),
    ...(lines.length > limit ? [`and ${formatCount(lines.length - limit)} more`] : []),
    '',
  ];
}

function summary(tried: readonly Tried[], name: string, other: Suggestion | undefined): string {
  const { readings, filtered } = countsOf(tried);
  const refused = tried.filter(({ parsed }) => parsed.problems.length > 0).length;
  const empty = tried.filter(({ parsed }) => parsed.problems.length === 0 && parsed.readings.length === 0).length;
  return [
    `${formatNumberOf(readings, 'reading')} of ${formatNumberOf(tried.length, 'event')} with the mapping ${name}` +
      `${filtered > 0 ? `, ${formatCount(filtered)} of them left out by FLEETSCORE_FILTER_*` : ''}.`,
    ...(empty > 0 ? [`${formatNumberOf(empty, 'event')} without readings, which the mapping leaves out.`] : []),
    ...(refused > 0 ? [`${formatNumberOf(refused, 'event')} with something that is not taken.`] : []),
    ...(other === undefined
      ? []
      : [
          `--mapping ${other.name} takes ${other.events} of the ${refused} ` +
            `(for ingest: FLEETSCORE_MAPPING=${other.name}).`,
        ]),
  ].join('\n');
}
