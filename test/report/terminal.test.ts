import fc from 'fast-check';
import { stripVTControlCharacters } from 'node:util';
import { renderBatch } from '../../report/terminal.ts';
import { textWidth } from '../../report/text-width.ts';
import { makeData } from './fixture.ts';
import { hostileText } from './names.ts';

const data = makeData();
const plain = (width: number, of = data): string => renderBatch(of, { width, color: false });
const widest = (text: string): number => Math.max(...text.split('\n').map(textWidth));

test.each([60, 61, 80, 100, 160, 200])('no line is wider than %i columns', (width) => {
  expect(widest(plain(width))).toBeLessThanOrEqual(width);
});

test('hostile names and messages neither steer the terminal nor break the width', () => {
  const [first] = data.sensors;
  fc.assert(
    fc.property(
      hostileText,
      hostileText,
      hostileText,
      fc.constantFrom(60, 100, 160),
      (device, sensor, message, width) => {
        const failed = {
          ...first!,
          device,
          sensor,
          unit: message,
          status: 'failed' as const,
          class: 'internal' as const,
          message,
        };
        const cause = {
          status: 'failed' as const,
          class: 'internal' as const,
          sensors: 1,
          example: { device, sensor, message },
        };
        const faults = [{ device, sensor, kind: message, fromMs: data.fromMs, toMs: data.toMs }];
        const text = plain(width, { ...data, sensors: [failed], causes: [cause], faults, problems: [message] });
        expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/);
        expect(widest(text)).toBeLessThanOrEqual(width);
      },
    ),
    { numRuns: 60 },
  );
});

test('every sensor of a small fleet has its line, with windows, anomalies and outcome', () => {
  const lines = plain(120).split('\n');
  for (const device of new Set(data.sensors.map((sensor) => sensor.device))) expect(lines).toContain(device);
  expect(
    lines.filter((line) => /^ {2}\S.* (✓ scored|– skipped no_data|✗ failed model_corrupt)/.test(line)),
  ).toHaveLength(60);
});

test('totals, causes and faults agree with the data', () => {
  const text = plain(160);
  const found = data.faults!.length;
  expect(text).toContain('60 sensors: 58 scored, 1 skipped, 1 failed');
  expect(text).toContain(`${found} injected faults:`);
  expect(text).toMatch(/✗ model_corrupt +1 +pump-3 bearing-temperature: the model file is not ONNX/);
  expect(text.match(/✓ found|✗ missed|– missed \(expected\)/g)).toHaveLength(found);
});

test('a large fleet shows only what has something to say, and counts the rest', () => {
  const many = makeData({ quarters: 1, copies: 2 });
  const quiet = many.sensors.filter((sensor) => sensor.status === 'scored' && sensor.anomalies === 0).length;
  const text = plain(100, { ...many, omitted: 7 });
  expect(text).toContain(`${quiet} scored without an anomaly, 7 beyond the limit of this view`);
  expect(text.match(/ ✓ scored/g)!.length).toBe(120 - quiet - 4);
  const short = renderBatch(many, { width: 100, color: false, maxRows: 12 });
  expect(short.match(/^ {2}\S.*(✓ scored|– skipped|✗ failed)/gm)).toHaveLength(12);
  expect(short).toMatch(/Not listed: \d+ more with anomalies or not scored/);
});

test('without colour there is no escape sequence; with colour the words are the same', () => {
  expect(plain(100)).not.toContain('\u001b');
  const colored = renderBatch(data, { width: 100, color: true });
  expect(colored).toContain('\u001b[');
  expect(stripVTControlCharacters(colored)).toBe(plain(100));
});

test('alarms in words take the place of the list of sensors and of faults that were found: said once', () => {
  const alarms = [
    'pump-3 vibration: level shift since 11:24:45, 2 min 40 s, goes on',
    'boiler-2 steam-flow: anomalous since 10:54:20, 3 min 5 s, cleared',
  ];
  const text = renderBatch(data, { width: 100, color: false, alarms });
  const lines = text.split('\n');
  expect(lines.slice(-3)).toEqual(['Alarms:', ...alarms.map((alarm) => `! ${alarm}`)]);
  expect(lines.filter((line) => /^ {2}\S.* ✓ scored/.test(line))).toEqual([]);
  expect(text).not.toMatch(/✓ found/);
  expect(text.match(/✗ missed|– missed/g) ?? []).toHaveLength(plain(100).match(/✗ missed|– missed/g)?.length ?? 0);
  expect(text).toContain('✗ model_corrupt');
  expect(renderBatch(data, { width: 100, color: false, alarms: [] })).toMatch(/Alarms: none\. Nothing is wrong\.$/);
  expect(widest(renderBatch(data, { width: 60, color: false, alarms }))).toBeLessThanOrEqual(60);
});

test('what is wrong alone: quiet sensors are a number', () => {
  const text = renderBatch(data, { width: 100, color: false, onlyWrong: true });
  const quiet = data.sensors.filter(({ status, anomalies }) => status === 'scored' && anomalies === 0);
  expect(text).toContain(`${quiet.length} scored without an anomaly`);
  const listed = text.split('\n').filter((line) => /^ {2}\S.* (✓ scored|– skipped|✗ failed)/.test(line));
  expect(listed).toHaveLength(data.sensors.length - quiet.length);
});
