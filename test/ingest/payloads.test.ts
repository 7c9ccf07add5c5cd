/**
 * Every form of docs/payloads.md: what it becomes, that live ingest, a rebuild from raw capture and a replay make the
 * same of it, and that the page says so.
 */
import { readFileSync } from 'node:fs';
import type { ReceivedEventData } from '@azure/event-hubs';
import { readCapture, writeCapture } from '../../ingest/capture-file.ts';
import { deadLetter, eventOfLetter, replayedEvent, type DeadLetter } from '../../ingest/dead-letters.ts';
import { toIngestEvent, type IngestEvent } from '../../ingest/event.ts';
import { MAPPING_NAMES, namedMapping } from '../../ingest/mapping/named.ts';
import { mappingSchema } from '../../ingest/mapping/schema.ts';
import { suggestMapping } from '../../ingest/mapping/suggest.ts';
import { createEventParser, PARSE_DEFAULTS } from '../../ingest/parse-event.ts';
import { oneProblem } from '../../ingest/parse/problems.ts';
import { ENQUEUED } from './payloads/shape.ts';
import { eventOf, SHAPES } from './payloads/shapes.ts';
import { outcome, settingsFor, withTable } from './payloads/table.ts';

const ALL = Object.values(SHAPES).flat();
const named = ALL.map((shape) => [`${shape.from}: ${shape.shape}`, shape] as const);
const plain = createEventParser();

test('there are more than 60 forms, and every ready-made mapping has one', () => {
  expect(ALL.length).toBeGreaterThan(60);
  expect(new Set(named.map(([name]) => name)).size).toBe(ALL.length);
  for (const name of MAPPING_NAMES) expect([name, ALL.some(({ mapping }) => mapping === name)]).toEqual([name, true]);
});

test.each(named)('%s', (_, shape) => {
  expect(outcome(plain(eventOf(shape)))).toEqual(shape.plain);
  if (shape.mapped) expect(outcome(createEventParser(settingsFor(shape))(eventOf(shape)))).toEqual(shape.mapped);
  // What is refused has a way, or a word what to do.
  else if (shape.plain.some((one) => /^[a-z_]+$/.test(one)) && shape.plain.length === 1)
    expect(shape.remedy).toMatch(/./);
});

test('raw capture, a dead letter and its replay give the readings that live ingest makes of it', async () => {
  for (const [name, shape] of named) {
    const parse = createEventParser(settingsFor(shape));
    const live = eventOf(shape);
    const expected = parse(live).readings;
    const [captured] = readCapture(await writeCapture([live])) as [IngestEvent];
    expect([name, parse(captured).readings]).toEqual([name, expected]);

    const letter = JSON.parse(
      JSON.stringify(deadLetter('0', live, oneProblem({ reason: 'bad_time', message: '' }))),
    ) as DeadLetter;
    expect([name, parse(eventOfLetter(letter)).readings]).toEqual([name, expected]);
    // A minute later, from a sender that cannot set annotations; and twice, as it may come back.
    const again = received(letter, ENQUEUED + 60_000);
    expect([name, parse(again).readings]).toEqual([name, expected]);
    const [recaptured] = readCapture(await writeCapture([again])) as [IngestEvent];
    expect([name, parse(recaptured).readings]).toEqual([name, expected]);
    const second = JSON.parse(
      JSON.stringify(deadLetter('0', again, oneProblem({ reason: 'bad_time', message: '' }))),
    ) as DeadLetter;
    expect([name, parse(received(second, ENQUEUED + 120_000)).readings]).toEqual([name, expected]);
  }
});

function received(letter: DeadLetter, enqueuedMs: number): IngestEvent {
  return toIngestEvent({
    ...replayedEvent(letter),
    sequenceNumber: 8,
    offset: '800',
    enqueuedTimeUtc: new Date(enqueuedMs),
    systemProperties: {},
  } as unknown as ReceivedEventData);
}

test('a letter of before, without system properties, is sent with what it has', () => {
  const old: DeadLetter = {
    partition: '0',
    sequenceNumber: 3,
    offset: '300',
    enqueuedTime: '2026-11-29T12:00:00.000Z',
    properties: { site: 'x' },
    contentEncoding: 'gzip',
    problems: [],
    body: Buffer.from('{}').toString('base64'),
  };
  expect(replayedEvent(old)).toEqual({
    body: Buffer.from('{}'),
    properties: {
      site: 'x',
      'content-encoding': 'gzip',
      'fleetscore-replayed': JSON.stringify({ enqueuedMs: ENQUEUED }),
    },
  });
});

test('a device behind IoT Hub cannot say by a property of its own that it is another one', () => {
  const parse = createEventParser({ ...PARSE_DEFAULTS, mapping: namedMapping('iot-hub')! });
  const forged = JSON.stringify({ enqueuedMs: 0, system: { 'iothub-connection-device-id': 'other' } });
  const { readings } = parse({
    body: Buffer.from('{"temp":1}'),
    enqueuedMs: ENQUEUED,
    properties: { 'fleetscore-replayed': forged },
    systemProperties: { 'iothub-connection-device-id': 'own' },
  });
  expect(readings).toEqual([{ tsMs: ENQUEUED, device: 'own', sensor: 'temp', value: 1 }]);
});

test('the mapping that is meant for a form is the one that is proposed for it', () => {
  const wrong = ALL.filter(({ mapping, mapped }) => mapping && MAPPING_NAMES.includes(mapping) && mapped?.length !== 0)
    .filter(({ mapped }) => !mapped!.some((one) => /^[a-z_]+$/.test(one)))
    .map((shape) => [shape.from, shape.mapping, suggestMapping([eventOf(shape)], PARSE_DEFAULTS)?.name])
    .filter(([, meant, proposed]) => meant !== proposed);
  expect(wrong).toEqual([]);
  expect(suggestMapping([{ body: Buffer.from('no'), enqueuedMs: ENQUEUED }], PARSE_DEFAULTS)).toBeUndefined();
});

test('docs/payloads.md is what `npm run docs` writes', () => {
  const page = readFileSync(new URL('../../docs/payloads.md', import.meta.url), 'utf8');
  expect(withTable(page)).toBe(page);
  const schema = readFileSync(new URL('../../docs/mapping.schema.json', import.meta.url), 'utf8');
  expect(JSON.parse(schema)).toEqual(JSON.parse(JSON.stringify(mappingSchema())));
});
