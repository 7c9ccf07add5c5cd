/** `fleetscore ingest try`: the forms of files that it takes, what it shows, and its exit code. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tryFile } from '../../cli/ingest/try.ts';
import type { Context } from '../../cli/frame/context.ts';
import { loadConfig, type Env } from '../../config.ts';
import { writeCapture } from '../../ingest/capture-file.ts';
import { deadLetter } from '../../ingest/dead-letters.ts';
import { cleanEnv } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('try');
const TS = '2026-11-29T11:59:58.000Z';
const AT = Date.parse(TS);
const ENQUEUED = Date.parse('2026-11-29T12:00:00Z');

interface Data {
  readonly mapping: string;
  readonly refused: number;
  readonly suggestion: string | null;
  readonly events: readonly {
    readonly event: number;
    readonly readings: readonly object[];
    readonly problems: readonly object[];
  }[];
}

async function tried(content: string | Uint8Array, options: { mapping?: string; limit?: number } = {}, env: Env = {}) {
  const file = join(dir, 'events.json');
  writeFileSync(file, content);
  const context = { config: loadConfig(env) } as Context;
  const output = await tryFile(context, { limit: 100, enqueued: ENQUEUED, ...options }, file);
  return { ...output, data: output.data as Data };
}

const reading = { time: TS, device: 'pump-1', sensor: 'temp', value: 21.5 };
const good = { ts: TS, device: 'pump-1', sensor: 'temp', value: 21.5 };
const hub = { 'iothub-connection-device-id': 'pump-1', 'iothub-enqueuedtime': AT };

// Every row has as many values as the test takes: jest puts a callback in the place of one that is missing.
test.each<[string, string | (() => Promise<Uint8Array>), number, string | undefined]>([
  ['one JSON text', JSON.stringify(good, null, 2), 1, undefined],
  ['an array, which is one event', JSON.stringify([good, good]), 1, undefined],
  ['JSON lines, an event each', `${JSON.stringify(good)}\n\n${JSON.stringify(good)}\n`, 2, undefined],
  [
    'an event with its properties',
    JSON.stringify({ event: { body: { temp: 21.5 }, systemProperties: hub } }),
    1,
    'iot-hub',
  ],
  [
    'an event with bytes',
    JSON.stringify({ event: { bodyBase64: Buffer.from(JSON.stringify(good)).toString('base64') } }),
    1,
    undefined,
  ],
  [
    'several events with properties',
    JSON.stringify([1, 2].map(() => ({ event: { body: good, partitionKey: 'x' } }))),
    2,
    undefined,
  ],
  [
    'what az iot hub monitor-events prints',
    JSON.stringify({
      event: {
        origin: 'pump-1',
        module: '',
        annotations: hub,
        properties: { application: {} },
        payload: '{"temp": 21.5}',
      },
    }),
    1,
    'iot-hub',
  ],
  [
    'a dead letter',
    JSON.stringify(
      deadLetter(
        '0',
        { seq: 4, offset: '400', enqueuedMs: ENQUEUED, body: Buffer.from('{"temp":21.5}'), systemProperties: hub },
        { problems: [], reasons: {} },
      ),
    ),
    1,
    'iot-hub',
  ],
  [
    'a capture file',
    () =>
      writeCapture([
        { seq: 4, offset: '400', enqueuedMs: ENQUEUED, body: Buffer.from('{"temp":21.5}'), systemProperties: hub },
      ]),
    1,
    'iot-hub',
  ],
])('it takes %s', async (_, content, events, mapping) => {
  const made = typeof content === 'string' ? content : await content();
  const { data, exitCode } = await tried(made, mapping ? { mapping } : {});
  expect(data.events).toHaveLength(events);
  for (const event of data.events) expect(event.readings[0]).toEqual(reading);
  expect([data.refused, exitCode]).toEqual([0, undefined]);
});

test('it tells what is not taken and why, which mapping would do, and says so by its exit code', async () => {
  const { text, data, exitCode } = await tried(
    `${JSON.stringify(good)}\n${JSON.stringify({ ts: TS, device: 'pump-1', temp: 1, hum: 2 })}\nnonsense\n`,
  );
  expect(exitCode).toBe(1);
  expect(data).toMatchObject({ mapping: 'default', refused: 2, suggestion: 'wide' });
  expect(text).toMatch(/Event +Time \(UTC\) +Device +Sensor +Value\n +0 +2026-11-29 11:59:58 +pump-1 +temp +21\.5\n/);
  expect(text).toMatch(/event 1: missing_field: missing "sensor", "value"; .*FLEETSCORE_MAPPING/);
  expect(text).toMatch(/event 2: not_json/);
  expect(text).toMatch(/1 reading of 3 events with the mapping default\.\n2 events with something that is not taken\./);
  expect(text).toMatch(/--mapping wide takes 1 of the 2 \(for ingest: FLEETSCORE_MAPPING=wide\)\.$/);
});

test('it goes by the settings that are in force: mapping, default device, filter', async () => {
  const env = {
    FLEETSCORE_MAPPING: '{"extends":"wide"}',
    FLEETSCORE_DEFAULT_DEVICE: 'gw',
    FLEETSCORE_FILTER_EXCEPT_SENSORS: 'rssi',
  };
  const { text, data } = await tried(JSON.stringify({ ts: TS, temp: 21.5, rssi: -60 }), {}, env);
  expect(data.events[0]!.readings).toEqual([
    { ...reading, device: 'gw' },
    { time: TS, device: 'gw', sensor: 'rssi', value: -60 },
  ]);
  expect(text).toContain('2 readings of 1 event with the mapping in FLEETSCORE_MAPPING, 1 of them left out by');
  expect(() => loadConfig({ FLEETSCORE_MAPPING: 'wide', FLEETSCORE_FIELD_TS: 'when' })).toThrow(
    'FLEETSCORE_FIELD_TS is "when": it takes nothing beside FLEETSCORE_MAPPING',
  );
});

test('a file that is not there, an event with an unknown member and a mapping that is none are told', async () => {
  const context = { config: loadConfig({}) } as Context;
  await expect(tryFile(context, { limit: 1 }, join(dir, 'no.json'))).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  await expect(tried('{"event":{"bodi":1}}')).rejects.toThrow('has "bodi": it takes body, bodyBase64, properties');
  await expect(tried('{}', { mapping: 'iothub' })).rejects.toThrow('there is no mapping "iothub" (--mapping)');
  await expect(tried('{}', { mapping: './no.json' })).rejects.toThrow('there is no such file');
  await expect(tried('{}', {}, { FLEETSCORE_MAPPING: 'no.json' })).rejects.toThrow(
    '(FLEETSCORE_MAPPING) cannot be read',
  );
});

test('as a command it reads standard input, and a wrong mapping is a usage error', () => {
  const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
      input: JSON.stringify(good),
      encoding: 'utf8',
      env: { ...cleanEnv(), FLEETSCORE_HOME: dir },
    });
  const { stdout, status } = run('--json', 'ingest', 'try', '-');
  expect([status, (JSON.parse(stdout) as Data).events[0]!.readings[0]]).toEqual([0, reading]);
  expect(run('ingest', 'try', '-', '--mapping', 'nope')).toMatchObject({ status: 2, stdout: '' });
});
