/** A store knows by which rules its events were read, and who comes with others is told. */
import { join } from 'node:path';
import { claimRules, keepToRules, lastRules, refuseOtherRules, rulesOf } from '../../ingest/event-rules.ts';
import { MAPPING_NAMES, namedMapping, parseMapping } from '../../ingest/mapping/named.ts';
import { FORM } from '../../ingest/mapping/facts.ts';
import { createEventParser, PARSE_DEFAULTS } from '../../ingest/parse-event.ts';
import { sendReadings } from '../../ingest/send-readings.ts';
import { openStore } from '../../storage/open-store.ts';
import { tempDir } from '../support/temp.ts';

const own = (json: string) => rulesOf({ ...PARSE_DEFAULTS, mapping: parseMapping(json, './plant.json') });
/** A form of a plant's own, that no reading is in. */
const PLANT = '{"items":"lines[]","time":"at","device":"^machine","sensor":"tag","value":"v"}';
const none = rulesOf(PARSE_DEFAULTS);

test('rules are the same where they read alike, whatever their file is called', () => {
  const text = '{"extends":"wide","except":["rssi"]}';
  expect(own(text)).toEqual(own(text.replace(',', ' ,\n')));
  expect(rulesOf({ ...PARSE_DEFAULTS, mapping: parseMapping(text, 'other.json') }).digest).toBe(own(text).digest);
  const all = [
    none,
    own(text),
    own('{"extends":"wide","except":["rssi","lqi"]}'),
    own('{"extends":"wide","only":["rssi"]}'),
    rulesOf({ ...PARSE_DEFAULTS, timeUnit: 's' }),
    rulesOf({ ...PARSE_DEFAULTS, defaultDevice: 'gateway' }),
    rulesOf({ ...PARSE_DEFAULTS, fields: { ...PARSE_DEFAULTS.fields, value: ['v'] } }),
    ...MAPPING_NAMES.map((name) => rulesOf({ ...PARSE_DEFAULTS, mapping: namedMapping(name)! })),
  ];
  expect(new Set(all.map(({ digest }) => digest)).size).toBe(all.length);
  expect(all.slice(0, 7).map(({ text }) => text)).toEqual([
    'no mapping',
    expect.stringMatching(/^the mapping \.\/plant\.json \([0-9a-f]{8}\)$/),
    expect.any(String),
    expect.any(String),
    'no mapping, times in s',
    'no mapping, the default device "gateway"',
    'no mapping, the fields value=v',
  ]);
});

test('each change of the rules is kept, and told to the worker that comes with it and to the others', async () => {
  const store = await openStore(`sqlite:${join(tempDir('rules'), 'fleet.db')}`);
  await store.migrate();
  try {
    const wide = rulesOf({ ...PARSE_DEFAULTS, mapping: namedMapping('wide')! });
    expect(await lastRules(store)).toBeUndefined();
    await refuseOtherRules(store, wide);
    const said: string[] = [];
    const note = (fields: object, message: string): void => void said.push(`${message} ${JSON.stringify(fields)}`);
    const log = { debug: note, info: note, warn: note, error: note };
    const end = new AbortController();
    await keepToRules(store, none, log, { signal: end.signal, lookMs: 5 });
    await keepToRules(store, none, log, { signal: end.signal, lookMs: 5 });
    expect(said).toEqual([]);
    await keepToRules(store, wide, log, { signal: end.signal, lookMs: 5 });
    expect(said[0]).toMatch(/^events are read by other rules than before.*the mapping wide.*no mapping/);
    while (said.filter((one) => one.startsWith('another ingest worker')).length < 2)
      await new Promise((resolve) => setTimeout(resolve, 5));
    end.abort();
    expect(said.slice(1).every((one) => /"here":"no mapping","there":"the mapping wide"/.test(one))).toBe(true);

    await expect(refuseOtherRules(store, none)).rejects.toMatchObject({
      code: 'RULES_CHANGED',
      message: expect.stringMatching(/with the mapping wide \(since 20.*with no mapping.*--other-rules/),
    });
    await refuseOtherRules(store, wide);
    // However often workers with different rules take turns, the last one is found.
    for (let i = 3; i <= 40; i++)
      expect(await claimRules(store, i % 2 ? none : wide, i)).toMatchObject({ number: i - 1 });
    expect(await lastRules(store)).toMatchObject({ ...wide, number: 40 });
    expect(await claimRules(store, wide, 41)).toBeUndefined();
  } finally {
    await store.close();
  }
});

test('what `send` sends is taken as it is under every mapping, except of a device of IoT Hub', async () => {
  const events: { body: Buffer; properties: Record<string, unknown> }[] = [];
  const batch = { count: 0, tryAdd: (event: (typeof events)[number]) => (events.push(event), ++batch.count > 0) };
  const producer = {
    createBatch: async () => batch,
    sendBatch: async () => {},
    getPartitionIds: async () => [],
  } as unknown as Parameters<typeof sendReadings>[1]['producer'];
  const reading = { tsMs: Date.UTC(2026, 10, 23), device: 'pump', sensor: 't', value: 1.5 };
  await sendReadings([reading], { producer });
  expect(events[0]!.properties).toEqual({ [FORM.name]: 'readings' });
  const sent = { body: events[0]!.body, properties: events[0]!.properties, enqueuedMs: reading.tsMs };
  const parsers = [
    createEventParser({ ...PARSE_DEFAULTS, fields: { ...PARSE_DEFAULTS.fields, value: ['v'] }, timeUnit: 's' }),
    createEventParser({ ...PARSE_DEFAULTS, mapping: parseMapping(PLANT, 'x') }),
    ...MAPPING_NAMES.map((name) => createEventParser({ ...PARSE_DEFAULTS, mapping: namedMapping(name)! })),
  ];
  for (const parse of parsers) expect(parse(sent)).toEqual({ readings: [reading], problems: [] });
  expect(parsers[1]!({ ...sent, systemProperties: { 'iothub-connection-device-id': 'other' } }).readings).toEqual([]);
  expect(parsers[1]!({ ...sent, properties: {} }).readings).toEqual([]);
});
