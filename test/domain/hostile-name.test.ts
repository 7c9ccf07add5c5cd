/** One hostile name through every way out: it may be refused at the door, or stored by an older version. */
import { alertsOf } from '../../batches/alerts.ts';
import { plainJson, terminalText } from '../../domain/plain-text.ts';
import { redactLine } from '../../domain/redact.ts';
import { nameProblem } from '../../domain/sensor.ts';
import { asJsonLine } from '../../logging/lines.ts';
import { escapeText } from '../../report/page/markup.ts';
import { renderTable } from '../../report/table.ts';
import { encodeCsv } from '../../scoring/predictions-csv.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import { field } from '../../ui/pages/csv.ts';
import type { Batch } from '../../storage/store.ts';
import { failureTable, nameOf } from '../../workflows/details.ts';

/** Commands of a terminal (C0 and C1), turned direction, a new line, markup, a mention, and a formula. */
const HOSTILE =
  '=cmd|\u001b]0;owned\u0007\u009b2J\u202egnp.exe\u2066\r\n[x](http://evil.example)<!channel><b>`|"a",\'b\'';

/** What steers a terminal or a display. */
const STEERS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

test.each([
  'a\u0085b',
  'a\u009b2Jb',
  'a\u202eb',
  'a\u2066b',
  'a\u200fb',
  'a\u001bb',
  '=1+1',
  '@SUM(A1)',
  '+cmd|x',
  '-2+3',
  '-A1',
  '-5/B2',
  '+1e3/A1',
  '-1/2',
  '\uff1d1+1',
  'a;=1+1',
  'a; @x',
])('%j is no name', (name) => {
  expect(nameProblem('sensor', name)).toBeDefined();
});

test.each([
  '+24V',
  '-5 bar',
  '-15V rail',
  '-5 m/s',
  '+24V/5V',
  'a=b',
  'Temp (°C)',
  'a;b',
  'x@y',
  'été',
  'מד חום',
  '温度',
  '🚀',
  'p\u200cq',
])('%j is a name', (name) => {
  expect(nameProblem('sensor', name)).toBeUndefined();
});

test('terminal: text, table and JSON', () => {
  for (const colours of [true, false]) expect(terminalText(`Sensor: ${HOSTILE}`, colours)).not.toMatch(STEERS);
  const table = renderTable([{ title: 'Sensor' }], [[HOSTILE]], { width: 500, color: false });
  expect(table).not.toMatch(STEERS);
  expect(table.trimEnd().split('\n')).toHaveLength(2);
  const json = plainJson(JSON.stringify({ sensor: HOSTILE }, null, 2));
  expect(json).not.toMatch(STEERS);
  expect(JSON.parse(json)).toEqual({ sensor: HOSTILE });
});

test('logs: one line, whether a worker or a library wrote it', () => {
  for (const line of [JSON.stringify({ msg: HOSTILE }), HOSTILE.replace('\n', ' ')]) {
    const shipped = plainJson(redactLine(asJsonLine(line, 'stderr', 0, {})));
    expect(shipped).not.toMatch(STEERS);
    expect(shipped.split('\n')).toHaveLength(1);
  }
});

test('summaries and tables of the Web UI: no markup, no link, no turn of direction', () => {
  const single = { id: 1, device: HOSTILE, sensor: HOSTILE };
  const failure = { device: HOSTILE, sensor: HOSTILE, class: 'internal', message: HOSTILE } as const;
  for (const text of [nameOf({ from: 1, to: 2, count: 1, single }), failureTable([failure], 1)]) {
    expect(text.replaceAll('\n', '')).not.toMatch(STEERS);
    expect(text).not.toMatch(/(?<!\\)\[x\]\(|<b>|<!channel>/);
  }
});

test('alerts: no mention, no link', () => {
  const batch = { id: 'b', status: 'failed', fromMs: 0, toMs: 1, planned: 1, message: HOSTILE } as unknown as Batch;
  const counts = { scored: 0, skipped: 0, failed: 1, cancelled: 0, windows: 0, anomalies: 0 };
  const [alert] = alertsOf({ ...batch, counts }, 0, [], { url: 'http://x' });
  expect(alert!.text).not.toMatch(STEERS);
  expect(alert!.text).not.toMatch(/<!channel>|\]\(|:\/\//);
});

test('pages: text, never an element', () => {
  const page = escapeText(HOSTILE);
  expect(page).not.toMatch(STEERS);
  expect(page).not.toMatch(/<|"/);
});

test('CSV: quoted, and read back as it was', async () => {
  const series = {
    length: 1,
    sensorId: Int32Array.of(1),
    startMs: Float64Array.of(0),
    mean: Float64Array.of(1),
  };
  const result = { scored: Uint8Array.of(1), anomaly: Uint8Array.of(0), score: Float64Array.of(0.5) };
  // A line end was never part of a name.
  const device = HOSTILE.replace(/[\r\n]+/, '');
  const { bytes } = encodeCsv([{ id: 1, device, sensor: 'p' }], series as never, result);
  expect(await decodePredictions(bytes)).toMatchObject([{ device, sensor: 'p' }]);
  expect(await decodePredictions(bytes, { device, sensor: 'p' })).toHaveLength(1);
  // A spreadsheet takes what begins with an apostrophe for text.
  expect(Buffer.from(bytes).toString()).toContain(`,"'=cmd|`);
  expect(field('=1+1')).toBe("'=1+1");
  expect(nameProblem('sensor', "'=1+1")).toBeDefined();
  expect(field("'80s")).toBe("'80s");
});
