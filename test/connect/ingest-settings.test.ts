/** Variables of ingest: their defaults are those of ingest itself, each one arrives, wrong ones are named. */
import { loadConfig } from '../../config.ts';
import { INGEST_DEFAULTS } from '../../ingest/settings.ts';
import { eventHubTarget } from '../../connect/event-hubs.ts';
import { ingestSettings } from '../../connect/ingest-settings.ts';

test('without any variable, ingest runs on its own defaults', () => {
  const settings = ingestSettings(loadConfig({}));
  expect(INGEST_DEFAULTS).toMatchObject(settings);
});

test('every variable arrives where it belongs', () => {
  expect(
    ingestSettings(
      loadConfig({
        FLEETSCORE_WINDOW: '10s',
        FLEETSCORE_HOP: '2s',
        FLEETSCORE_OUT_OF_ORDER: '1m',
        FLEETSCORE_CLOCK_SKEW: '2m',
        FLEETSCORE_LATE_LIMIT: '1h',
        FLEETSCORE_FILTER_DEVICES: 'boiler-*, pump-?',
        FLEETSCORE_FILTER_EXCEPT_DEVICES: 'pump-9',
        FLEETSCORE_FILTER_SENSORS: '*',
        FLEETSCORE_FILTER_EXCEPT_SENSORS: 'debug*,test*',
        FLEETSCORE_FILTER_MIN_VALUE: '-1e3',
        FLEETSCORE_FILTER_MAX_VALUE: '0.5',
        FLEETSCORE_FILTER_GOOD_QUALITY: 'good,192',
        FLEETSCORE_FIELD_TS: 'time',
        FLEETSCORE_FIELD_DEVICE: 'asset,machine',
        FLEETSCORE_FIELD_SENSOR: 'tag',
        FLEETSCORE_FIELD_VALUE: 'v',
        FLEETSCORE_FIELD_QUALITY: 'q',
        FLEETSCORE_FIELD_TS_UNIT: 's',
        FLEETSCORE_MAX_SENSORS_PER_DEVICE: '7',
        FLEETSCORE_MAX_SENSORS: '70',
        FLEETSCORE_CAPTURE: 'off',
        FLEETSCORE_CAPTURE_INTERVAL: '5s',
        FLEETSCORE_CAPTURE_BYTES: '100000',
        FLEETSCORE_INGEST_WORKER: 'one',
        FLEETSCORE_ON_NEW_HUB: 'read',
      }),
    ),
  ).toEqual({
    windowMs: 10_000,
    hopMs: 2_000,
    outOfOrderMs: 60_000,
    clockSkewMs: 120_000,
    lateLimitMs: 3_600_000,
    filter: {
      devices: ['boiler-*', 'pump-?'],
      exceptDevices: ['pump-9'],
      sensors: ['*'],
      exceptSensors: ['debug*', 'test*'],
      minValue: -1_000,
      maxValue: 0.5,
      goodQuality: ['good', '192'],
    },
    fields: { ts: ['time'], device: ['asset', 'machine'], sensor: ['tag'], value: ['v'], quality: ['q'] },
    timeUnit: 's',
    quota: { perDevice: 7, fleet: 70 },
    capture: false,
    captureIntervalMs: 5_000,
    captureBytes: 100_000,
    workerName: 'one',
    onNewHub: 'read',
  });
});

test.each([
  ['FLEETSCORE_LATE_LIMIT', 'soon', 'takes a duration'],
  ['FLEETSCORE_FILTER_DEVICES', 'a,,b', 'takes one or more entries'],
  ['FLEETSCORE_FILTER_MIN_VALUE', 'Infinity', 'takes a finite number'],
  ['FLEETSCORE_FILTER_MAX_VALUE', '1,5', 'takes a finite number'],
  ['FLEETSCORE_FIELD_VALUE', ' , ', 'takes one or more entries'],
  ['FLEETSCORE_CAPTURE', 'false', 'takes on or off'],
  ['FLEETSCORE_METRICS_PORT', '0', 'takes a port from 1 to 65535, or auto'],
])('%s=%s is refused', (name, value, message) => {
  expect(() => loadConfig({ [name]: value })).toThrow(`${name} is ${JSON.stringify(value)}: it ${message}`);
});

test.each(['3s', '10s', '50ms'])('a hop of %s does not fit windows of 5 s', (hop) => {
  expect(() => loadConfig({ FLEETSCORE_HOP: hop })).toThrow(
    `FLEETSCORE_HOP is "${hop}": it takes a duration that goes into the window of 5s a whole number of ` +
      'times, at most 60',
  );
});

test('a range of values that holds nothing is refused', () => {
  expect(() => loadConfig({ FLEETSCORE_FILTER_MIN_VALUE: '3', FLEETSCORE_FILTER_MAX_VALUE: '2' })).toThrow(
    'FLEETSCORE_FILTER_MIN_VALUE is "3": it takes at most FLEETSCORE_FILTER_MAX_VALUE, which is 2',
  );
  expect(loadConfig({ FLEETSCORE_FILTER_MIN_VALUE: '2', FLEETSCORE_FILTER_MAX_VALUE: '2' }).ingest.filter).toEqual({
    minValue: 2,
    maxValue: 2,
  });
});

test.each(['x', 'Endpoint=foo', 'Endpoint=sb://x/', 'Endpoint=sb://x/;SharedAccessKeyName=a'])(
  'the connection string %j is refused by the name of its variable',
  (text) => {
    const config = loadConfig({ FLEETSCORE_EVENT_HUBS_CONNECTION_STRING: text });
    expect(() => eventHubTarget(config)).toThrow(
      /^FLEETSCORE_EVENT_HUBS_CONNECTION_STRING cannot be used: .* It reads /,
    );
  },
);
