import fc from 'fast-check';
import { stripVTControlCharacters } from 'node:util';
import { renderTable, terminalOptions } from '../../report/table.ts';
import { cutText, fitText, harmless, textWidth, wrapText } from '../../report/text-width.ts';
import { hostileText } from './names.ts';

test('width counts columns, not characters', () => {
  expect(textWidth('pump')).toBe(4);
  expect(textWidth('泵站')).toBe(4);
  expect(textWidth('🏭')).toBe(2);
  expect(textWidth('👩‍🔧')).toBe(2);
  expect(textWidth('e\u0301')).toBe(1);
  expect(textWidth('°C ✓ ✗ ▁█ · …')).toBe(13);
});

test('cutting never breaks a wide character and marks the cut', () => {
  expect(cutText('pressure', 5)).toBe('pres…');
  expect(cutText('漢漢漢', 4)).toBe('漢…');
  expect(fitText('漢漢漢', 4)).toBe('漢… ');
  expect(fitText('7', 3, 'right')).toBe('  7');
});

test('harmless text has no control characters and keeps everything readable', () => {
  expect(harmless('a\u001b[31mb\nc\u202ed')).toBe('a\ufffd[31mb c\ufffdd');
  fc.assert(fc.property(hostileText, (text) => !/[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e]/u.test(harmless(text))));
});

test('wrapped lines keep the words and the width', () => {
  fc.assert(
    fc.property(hostileText.map(harmless), fc.integer({ min: 4, max: 40 }), (text, width) =>
      wrapText(text, width).every((line) => textWidth(line) <= width),
    ),
  );
  expect(wrapText('one two three', 7)).toEqual(['one two', 'three']);
});

test.each([60, 100, 160])('no line of a table is wider than %i columns, whatever is in it', (width) => {
  const columns = [
    { title: 'device' },
    { title: 'sensor' },
    { title: 'windows', align: 'right' as const },
    { title: 'message' },
  ];
  fc.assert(
    fc.property(fc.array(fc.tuple(hostileText, hostileText, hostileText, hostileText), { maxLength: 8 }), (rows) => {
      const lines = renderTable(columns, rows, { width, color: false }).split('\n');
      expect(lines).toHaveLength(rows.length + 1);
      expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(width);
    }),
    { numRuns: 60 },
  );
});

test('numbers stay whole while text gives way', () => {
  const columns = [{ title: 'name' }, { title: 'count', align: 'right' as const }];
  const [, row] = renderTable(columns, [['x'.repeat(90), '1,234,567']], { width: 60, color: false }).split('\n');
  expect(row).toBe(`${'x'.repeat(48)}…  1,234,567`);
});

test('where it is narrow whole columns leave, the least needed first, and never the status', () => {
  const columns = [
    { title: 'Batch', whole: true },
    { title: 'Period', whole: true, leave: 2 },
    { title: 'Status', whole: true },
    { title: 'Windows', align: 'right' as const, leave: 1 },
  ];
  const row = ['20261129T203000Z-1779c5e8', '2026-11-29 20:15–20:30', 'failed', '10,800'];
  const at = (width: number): string[] => renderTable(columns, [row], { width, color: false }).split('\n');
  expect(at(80)[1]).toBe(row.join('  ').replace(' 10,800', '  10,800'));
  expect(at(60)).toEqual([
    'Batch                      Period                  Status …',
    '20261129T203000Z-1779c5e8  2026-11-29 20:15–20:30  failed',
  ]);
  expect(at(50)[1]).toBe('20261129T203000Z-1779c5e8  failed   10,800');
  expect(at(35)[1]).toBe('20261129T203000Z-1779c5e8  failed');
});

test('a column that would be cut to nothing leaves, and the header says so', () => {
  const columns = [
    { title: 'Alarm', whole: true },
    { title: 'Sensor', whole: true },
    { title: 'What' },
    { title: 'Severity', align: 'right' as const },
    { title: 'State', whole: true },
  ];
  const row = ['3f9a2c81d04e', 'conveyor-belt-12/gearbox', 'anomalous', '420', 'active, shelved'];
  const at = (width: number): string[] => renderTable(columns, [row], { width, color: false }).split('\n');
  expect(at(60)).toEqual([
    'Alarm         Sensor                    State …',
    '3f9a2c81d04e  conveyor-belt-12/gearbox  active, shelved',
  ]);
  expect(at(62)[1]).toBe('3f9a2c81d04e  conveyor-belt-12/gearbox  anom…  active, shelved');
});

test('colour changes nothing but colour', () => {
  const columns = [
    { title: 'name', paint: (text: string, _row: number, c: { red: (t: string) => string }) => c.red(text) },
    { title: 'n' },
  ];
  const rows = [
    ['pump', '1'],
    ['boiler', '22'],
  ];
  const plain = renderTable(columns, rows, { width: 80, color: false });
  const colored = renderTable(columns, rows, { width: 80, color: true });
  expect(plain).not.toContain('\u001b');
  expect(colored).toContain('\u001b[31m');
  expect(stripVTControlCharacters(colored)).toBe(plain);
});

test('NO_COLOR and a missing terminal switch colour off; FORCE_COLOR switches it on', () => {
  const tty = { isTTY: true, columns: 120 };
  expect(terminalOptions(tty, {})).toEqual({ width: 120, color: true });
  expect(terminalOptions(tty, { NO_COLOR: '1' }).color).toBe(false);
  expect(terminalOptions(tty, { NO_COLOR: '' }).color).toBe(true);
  expect(terminalOptions(tty, { TERM: 'dumb' }).color).toBe(false);
  expect(terminalOptions({}, {})).toEqual({ width: 100, color: false });
  expect(terminalOptions({}, { FORCE_COLOR: '1' }).color).toBe(true);
  expect(terminalOptions(tty, { FORCE_COLOR: '1', NO_COLOR: '1' }).color).toBe(false);
});

test('the width stays within 60 and 200 columns', () => {
  expect(terminalOptions({ columns: 20 }, {}).width).toBe(60);
  expect(terminalOptions({ columns: 400 }, {}).width).toBe(200);
  expect(terminalOptions({}, { COLUMNS: '80' }).width).toBe(80);
});
