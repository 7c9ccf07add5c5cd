/** Rows of docs/payloads.md: encodings and AMQP, and wide events. */
import { deflateSync } from 'node:zlib';
import { AT, good, json, own, READING, text, TS, type Shape } from './shape.ts';

/** What the transport or the encoding makes of it. */
export const ENCODINGS: readonly Shape[] = [
  {
    shape: 'JSON lines',
    from: 'Stream Analytics, Fluent Bit',
    body: text(`${JSON.stringify(good)}\n${JSON.stringify({ ...good, sensor: 'flow' })}\n`),
    plain: [READING, 'pump-1/flow 21.5'],
  },
  {
    shape: 'JSON lines with one that is none',
    from: 'Fluent Bit',
    body: text(`${JSON.stringify(good)}\nok\n`),
    plain: [READING, 'not_json'],
  },
  { shape: 'AMQP value, a map', from: 'qpid-proton, .NET', body: { ...good }, plain: [READING] },
  {
    shape: 'AMQP value, a map with timestamp',
    from: '.NET `DateTime`',
    body: { ...good, ts: new Date(AT) },
    plain: [READING],
  },
  { shape: 'AMQP value, a text', from: 'Java', body: JSON.stringify(good), plain: [READING] },
  {
    shape: 'AMQP sequence',
    from: 'qpid-proton',
    body: [{ ...good }, { ...good, sensor: 'flow' }],
    plain: [READING, 'pump-1/flow 21.5'],
  },
  {
    shape: 'two data sections',
    from: 'Java, .NET',
    body: [json(good).subarray(0, 20), json(good).subarray(20)],
    plain: [READING],
  },
  {
    shape: 'UTF-16',
    from: 'Windows',
    body: Buffer.from(JSON.stringify(good), 'utf16le'),
    plain: ['bad_encoding'],
    remedy: 'send UTF-8',
  },
  {
    shape: 'Latin-1',
    from: 'old gateways',
    body: Buffer.from(JSON.stringify({ ...good, device: 'Kühler' }), 'latin1'),
    plain: ['bad_encoding'],
    remedy: 'send UTF-8',
  },
  {
    shape: 'deflate',
    from: 'Python `zlib`',
    body: deflateSync(json(good)),
    plain: ['bad_encoding'],
    remedy: 'send gzip',
  },
  {
    shape: 'CSV',
    from: 'loggers',
    body: text(`ts,device,sensor,value\n${TS},pump-1,temp,21.5\n`),
    plain: ['not_json'],
    remedy: '`fleetscore send` takes CSV files',
  },
  {
    shape: 'empty body',
    from: 'heartbeats',
    body: Buffer.alloc(0),
    plain: ['not_json'],
    remedy: 'leave them out at the sender, or in a route of IoT Hub',
  },
  {
    shape: 'JSON in JSON',
    from: 'Node-RED, Logic Apps',
    body: json({ payload: JSON.stringify(good) }),
    plain: ['missing_field'],
    mapping: own({ items: 'payload|json', time: 'ts', device: 'device', sensor: 'sensor', value: 'value' }),
    mapped: [READING],
  },
  {
    shape: 'array in an array',
    from: 'batching gateways',
    body: json([[good]]),
    plain: ['not_a_reading'],
    mapping: own({ wholeArray: true, items: '[][]', time: 'ts', device: 'device', sensor: 'sensor', value: 'value' }),
    mapped: [READING],
  },
];

/** Every number of an object is a sensor. */
export const WIDE: readonly Shape[] = [
  {
    shape: 'wide',
    from: 'most devices',
    body: json({ ts: TS, device: 'pump-1', temp: 21.5, hum: 40, state: 'on' }),
    plain: ['missing_field'],
    mapping: 'wide',
    mapped: [READING, 'pump-1/hum 40'],
  },
  {
    shape: 'wide, nested',
    from: 'most devices',
    body: json({ timestamp: TS, deviceId: 'pump-1', motor: { temp: 21.5, rpm: { now: 900 } } }),
    plain: ['missing_field'],
    mapping: 'wide',
    mapped: ['pump-1/motor.temp 21.5', 'pump-1/motor.rpm.now 900'],
  },
  {
    shape: 'wide, with NaN',
    from: 'Python `json`',
    body: text(`{"ts":"${TS}","device":"pump-1","temp":21.5,"hum":NaN}`),
    plain: ['missing_field'],
    mapping: 'wide',
    mapped: [READING, 'bad_value'],
  },
  {
    shape: 'wide, JSON lines',
    from: 'Telegraf, Fluent Bit',
    body: text([21.5, 22].map((temp) => JSON.stringify({ ts: TS, device: 'pump-1', temp })).join('\n')),
    plain: ['missing_field', 'missing_field'],
    mapping: 'wide',
    mapped: [READING, 'pump-1/temp 22'],
  },
  {
    shape: 'wide, some columns only',
    from: 'data loggers',
    body: json({ ts: TS, device: 'pump-1', temp: 21.5, rssi: -60, seq: 7 }),
    plain: ['missing_field'],
    mapping: own({ extends: 'wide', except: ['rssi'] }),
    mapped: [READING],
  },
  {
    shape: 'arrays of measurements',
    from: 'LoRaWAN servers',
    body: json({
      dev: 'pump-1',
      at: TS,
      values: [
        { ch: 'temp', v: 21.5 },
        { ch: 'hum', v: 40 },
      ],
    }),
    plain: ['missing_field'],
    mapping: own({ items: 'values[]', time: '^at', device: '^dev', sensor: 'ch', value: 'v' }),
    mapped: [READING, 'pump-1/hum 40'],
  },
  {
    shape: 'nothing but text',
    from: 'status messages',
    body: json({ ts: TS, device: 'pump-1', state: 'on' }),
    plain: ['missing_field'],
    mapping: own({ extends: 'wide', empty: 'skip' }),
    mapped: [],
  },
];
