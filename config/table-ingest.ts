/** Variables of ingest: windows, fields, filters, limits. See table.ts. */
import { TIME_UNITS } from '../domain/time.ts';
import { decimal, duration, list, mappingSource, matching, oneOf, onOff, text, timer, whole } from './values.ts';
import { variable } from './variable.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

export const INGEST = {
  workerName: variable(
    'FLEETSCORE_INGEST_WORKER',
    text,
    {},
    'Name of this ingest worker, the same after a restart: then it has its partitions back at once.',
  ),
  windowMs: variable(
    'FLEETSCORE_WINDOW',
    duration,
    { preset: '5s', handOn: true },
    'Length of the windows that readings are aggregated over. Fixed once readings are stored.',
  ),
  hopMs: variable(
    'FLEETSCORE_HOP',
    duration,
    { presetText: 'the window: windows follow each other (tumbling)', handOn: true },
    'From the start of one window to the start of the next. Shorter than the window, windows overlap ' +
      '(hopping). It goes into the window a whole number of times, and every reading is written to that many ' +
      'windows. Fixed once readings are stored.',
  ),
  outOfOrderMs: variable(
    'FLEETSCORE_OUT_OF_ORDER',
    duration,
    { preset: '30s' },
    'How far behind the newest reading the watermark of a partition stays. ' +
      'A clock that runs ahead counts as the time at which its event came.',
  ),
  clockSkewMs: variable(
    'FLEETSCORE_CLOCK_SKEW',
    duration,
    { preset: '1h' },
    'Readings from further in the future are refused.',
  ),
  lateLimitMs: variable(
    'FLEETSCORE_LATE_LIMIT',
    duration,
    { presetText: 'no limit' },
    'Readings stay out of windows that ended longer than this before the watermark; ' +
      'they are counted, and remain in raw capture.',
  ),
  filter: {
    devices: variable(
      'FLEETSCORE_FILTER_DEVICES',
      list,
      {},
      'Devices whose readings become windows: patterns with a comma in between, `*` for any text, `?` for ' +
        'one character. All filters that are set must hold; what is left out remains in raw capture.',
    ),
    exceptDevices: variable('FLEETSCORE_FILTER_EXCEPT_DEVICES', list, {}, 'Devices that are left out, as patterns.'),
    sensors: variable('FLEETSCORE_FILTER_SENSORS', list, {}, 'Sensors whose readings become windows, as patterns.'),
    exceptSensors: variable('FLEETSCORE_FILTER_EXCEPT_SENSORS', list, {}, 'Sensors that are left out, as patterns.'),
    minValue: variable('FLEETSCORE_FILTER_MIN_VALUE', decimal, {}, 'Smallest value that is taken.'),
    maxValue: variable('FLEETSCORE_FILTER_MAX_VALUE', decimal, {}, 'Largest value that is taken.'),
    goodQuality: variable(
      'FLEETSCORE_FILTER_GOOD_QUALITY',
      list,
      {},
      'Quality flags that are good, with a comma in between, in any case. Readings without a flag are good.',
    ),
  },
  fields: {
    ts: variable(
      'FLEETSCORE_FIELD_TS',
      list,
      { preset: 'ts,TS,Ts,timestamp,Timestamp' },
      'JSON fields with the time of a reading, with a comma in between; the first one that is there is taken.',
    ),
    device: variable(
      'FLEETSCORE_FIELD_DEVICE',
      list,
      { preset: 'device,Device' },
      'JSON fields with the name of the device.',
    ),
    sensor: variable(
      'FLEETSCORE_FIELD_SENSOR',
      list,
      { preset: 'sensor,Sensor' },
      'JSON fields with the name of the sensor.',
    ),
    value: variable('FLEETSCORE_FIELD_VALUE', list, { preset: 'value,Value' }, 'JSON fields with the value.'),
    quality: variable(
      'FLEETSCORE_FIELD_QUALITY',
      list,
      { preset: 'quality,Quality' },
      'JSON fields with the quality flag.',
    ),
  },
  mapping: variable(
    'FLEETSCORE_MAPPING',
    mappingSource,
    { preset: 'default' },
    'How events in other forms become readings: `iot-hub`, `iot-central`, `cloudevents`, `opc-ua-pubsub`, ' +
      '`opc-publisher`, `iot-operations`, `sparkplug-json`, `senml`, `wide`, the path of a JSON file, or the JSON ' +
      'itself ([payloads.md](payloads.md)). `default`: the fields that `FLEETSCORE_FIELD_*` name. ' +
      'Rebuilds, `explain` and `readings` need the same one.',
  ),
  defaultDevice: variable(
    'FLEETSCORE_DEFAULT_DEVICE',
    matching(/^\S(.{0,126}\S)?$/u, 'a name of 1 to 128 characters without spaces around it'),
    { presetText: 'none: such readings are refused' },
    'Device of readings whose event names none.',
  ),
  timeUnit: variable(
    'FLEETSCORE_FIELD_TS_UNIT',
    oneOf(...TIME_UNITS),
    { presetText: 'milliseconds, where that is beyond doubt' },
    'What numbers in the field of the time count since 1970: s, ms, us or ns. ' +
      'Where it is not set, numbers that would lie before September 2001 are refused. ' +
      'Times as ISO 8601 text need no unit.',
  ),
  quota: {
    perDevice: variable(
      'FLEETSCORE_MAX_SENSORS_PER_DEVICE',
      whole(1, 1_000_000_000),
      { preset: '1000' },
      'Sensors that the readings of a device may register. Readings of further ones become dead letters; ' +
        'those that are registered stay.',
    ),
    fleet: variable(
      'FLEETSCORE_MAX_SENSORS',
      whole(1, 1_000_000_000),
      { preset: '2000000' },
      'Sensors that readings may register in all.',
    ),
  },
  capture: variable(
    'FLEETSCORE_CAPTURE',
    onOff,
    { preset: 'on' },
    '`off` where Azure Event Hubs Capture itself writes the raw events: the ingest workers write none then.',
  ),
  captureNames: variable(
    'FLEETSCORE_CAPTURE_NAMES',
    text,
    {},
    'How Azure Event Hubs Capture names its files, where that is not its default, such as ' +
      '`{Namespace}/{EventHub}/{Year}-{Month}-{Day}/{PartitionId}_{Hour}_{Minute}_{Second}`: `ingest rebuild` reads ' +
      'such files, `explain` and `readings` look for them, too.',
  ),
  captureIntervalMs: variable(
    'FLEETSCORE_CAPTURE_INTERVAL',
    duration,
    { preset: '60s' },
    'A raw capture file is closed after this time, or at its size, whichever comes first.',
  ),
  captureBytes: variable(
    'FLEETSCORE_CAPTURE_BYTES',
    whole(64 * KiB, 500 * MiB),
    { preset: String(10 * MiB) },
    'A raw capture file is closed when its events take so many bytes, before they are deflated.',
  ),
  drop: {
    on: variable(
      'FLEETSCORE_DROP',
      onOff,
      { preset: 'on' },
      'Whether the ingest workers read the files that lie in the container `drop` ([drop.md](drop.md)).',
    ),
    everyMs: variable(
      'FLEETSCORE_DROP_EVERY',
      timer,
      { preset: '30s' },
      'How often the container `drop` is looked at; a look is one listing for every 5,000 files.',
    ),
    settleMs: variable(
      'FLEETSCORE_DROP_SETTLE',
      duration,
      { preset: '10s' },
      'A file in the drop is read when it has not changed for this long.',
    ),
    maxBytes: variable(
      'FLEETSCORE_DROP_MAX_BYTES',
      whole(1, 64 * 1024 * MiB),
      { preset: String(512 * MiB) },
      'Larger files in the drop are refused, in bytes. A file is on the local disk of the ingest worker while it ' +
        'is read.',
    ),
  },
};
