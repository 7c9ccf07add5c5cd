/** `fleetscore ingest deadletters`: events that could not be taken, and sending them again once the cause is mended. */
import {
  eventOfLetter,
  letterText,
  listDeadLetters,
  replayDeadLetters,
  type StoredDeadLetter,
} from '../../ingest/dead-letters.ts';
import { DROP_HUB } from '../../ingest/drop/marks.ts';
import { hubFolder } from '../../ingest/event.ts';
import { suggestMapping } from '../../ingest/mapping/suggest.ts';
import { countOf } from '../../ingest/parse/problems.ts';
import { INGEST_DEFAULTS, parseSettings } from '../../ingest/settings.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';
import { ingestSettings } from '../../connect/ingest-settings.ts';
import { openProducer } from '../../connect/event-hubs.ts';
import { openHubReader } from '../../connect/partitions.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { table, when } from '../frame/text.ts';

interface DeadLetterOptions {
  readonly replay?: boolean;
  readonly prefix?: string;
  readonly limit: number;
}

/** Characters of a body that are printed; all of it is in Blob storage. */
const SHOWN_BODY = 2_000;

/** Those of the configured hub and of files: letters of another hub are sent to it only when that is asked for. */
async function prefixesOf(context: Context, prefix: string | undefined): Promise<readonly string[]> {
  if (prefix !== undefined) return [prefix];
  const reader = openHubReader(context.config);
  await reader.close();
  return [`${hubFolder(reader.hub)}/`, `${hubFolder(DROP_HUB)}/`];
}

async function* lettersBelow(context: Context, prefixes: readonly string[]): AsyncGenerator<StoredDeadLetter> {
  for (const prefix of prefixes) yield* listDeadLetters(context.blobs(), prefix);
}

const below = ([prefix = '']: readonly string[]): string => (prefix === '' ? 'the container' : prefix);

async function list(context: Context, options: DeadLetterOptions): Promise<Output> {
  const prefixes = await prefixesOf(context, options.prefix);
  const letters: StoredDeadLetter[] = [];
  let more = false;
  for await (const letter of lettersBelow(context, prefixes)) {
    more = letters.length === options.limit;
    if (more) break;
    letters.push(letter);
  }
  const shown = table(
    [
      { title: 'Enqueued (UTC)', whole: true, leave: 1 },
      { title: 'Partition' },
      { title: 'Sequence', align: 'right' },
      { title: 'Reason', whole: true },
      { title: 'Body' },
    ],
    letters.map((letter) => [
      when(Date.parse(letter.enqueuedTime)),
      letter.partition,
      formatCount(letter.sequenceNumber),
      reasons(letter),
      shortBody(letter),
    ]),
    `No dead letters below ${below(prefixes)}.`,
  );
  return {
    data: letters.map((letter) => ({
      name: letter.name,
      partition: letter.partition,
      sequenceNumber: letter.sequenceNumber,
      enqueuedTime: letter.enqueuedTime,
      reason: letter.problems[0]?.reason ?? null,
      problems: letter.problems,
      dead: deadIn(letter),
      reasons: letter.reasons ?? null,
      properties: letter.properties ?? null,
      systemProperties: letter.systemProperties ?? null,
      // Text where it is text, else base64.
      ...bodyData(letter),
    })),
    text: [
      shown,
      ...(letters.length > 0 ? ['', ...sentences(letters), ''] : []),
      ...proposal(context, letters),
      ...(more ? [`The first ${formatCount(letters.length)}; --limit shows more.`] : []),
      ...(letters.length > 0
        ? [
            '--json shows the bodies. Where other forms, fields, units or limits are meant, FLEETSCORE_MAPPING, ' +
              'FLEETSCORE_FIELD_* and the other settings of ingest say so to the ingest worker; ' +
              'then: fleetscore ingest deadletters --replay',
          ]
        : []),
    ].join('\n'),
  };
}

/** Letters that are tried with every mapping. */
const TRIED = 200;

/** Which ready-made mapping takes events that were refused. */
function proposal(context: Context, letters: readonly StoredDeadLetter[]): string[] {
  const tried = letters.filter(({ leftOut }) => leftOut === undefined).slice(0, TRIED);
  const settings = parseSettings({ ...INGEST_DEFAULTS, ...ingestSettings(context.config) });
  const found = suggestMapping(tried.map(eventOfLetter), settings);
  if (found === undefined || found.name === settings.mapping?.name) return [];
  return [
    `FLEETSCORE_MAPPING=${found.name} takes ${formatCount(found.events)} of the ${formatCount(tried.length)}: see ` +
      `fleetscore ingest try --mapping ${found.name}`,
    '',
  ];
}

const deadIn = ({ reasons, problems }: StoredDeadLetter): number => (reasons ? countOf({ reasons }) : problems.length);

function reasons(letter: StoredDeadLetter): string {
  const first = letter.problems[0]?.reason ?? '-';
  const dead = deadIn(letter);
  return dead > 1 ? `${first} (+${formatCount(dead - 1)})` : first;
}

/** The first sentence of every reason, as one explains the others mostly; the reason with most events first. */
function sentences(letters: readonly StoredDeadLetter[]): string[] {
  const byReason = new Map<string, { readonly first: StoredDeadLetter; readonly message: string; events: number }>();
  for (const letter of letters)
    for (const { reason, message } of new Map(letter.problems.map((problem) => [problem.reason, problem])).values()) {
      const known = byReason.get(reason);
      if (known) known.events++;
      else byReason.set(reason, { first: letter, message, events: 1 });
    }
  return [...byReason]
    .sort(([, a], [, b]) => b.events - a.events)
    .map(([reason, { first, message, events }]) => {
      const others = events > 1 ? `, and ${formatNumberOf(events - 1, 'event')} more` : '';
      return `${reason}: ${message} (partition ${first.partition}, event ${formatCount(first.sequenceNumber)}${others})`;
    });
}

const shortBody = (letter: StoredDeadLetter): string =>
  (letterText(letter) ?? letter.body).slice(0, 1_000).replaceAll(/\s+/g, ' ').slice(0, 200);

function bodyData(letter: StoredDeadLetter): object {
  const text = letterText(letter);
  const { body } = letter;
  const all = text ?? body;
  return {
    body: all.slice(0, SHOWN_BODY),
    encoding: text === undefined ? 'base64' : 'text',
    bytes: Buffer.byteLength(body, 'base64'),
    cut: all.length > SHOWN_BODY,
  };
}

async function replay(context: Context, options: DeadLetterOptions): Promise<Output> {
  const prefixes = await prefixesOf(context, options.prefix);
  const producer = openProducer(context.config);
  try {
    let sent = 0;
    for (const prefix of prefixes) sent += await replayDeadLetters(context.blobs(), producer, prefix);
    return {
      data: { prefix: prefixes[0], sent },
      text:
        sent === 0
          ? `No dead letters below ${below(prefixes)}.`
          : `${formatNumberOf(sent, 'dead letter')} sent again. What is still wrong comes back: fleetscore ` +
            'ingest deadletters',
    };
  } finally {
    await producer.close();
  }
}

export const deadLetters = (context: Context, options: DeadLetterOptions): Promise<Output> =>
  options.replay ? replay(context, options) : list(context, options);
