/**
 * Names of devices and sensors come from outside: in Markdown of the Web UI, in ids of workflows and in SQL they are
 * only names.
 */
import { expect, test } from '@jest/globals';
import { fc } from '@fast-check/jest';
import { join } from 'node:path';
import { nameProblem } from '../../domain/sensor.ts';
import { openStore } from '../../storage/open-store.ts';
import { childId, failureTable } from '../../workflows/details.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('hostile-names');
const HOSTILE = [
  'a | b',
  '|||',
  '\\|',
  '\\',
  '</td><script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '[click](javascript:alert(1))',
  '![x](http://evil.example/a.png)',
  '`rm -rf`',
  '**bold**',
  '_x_',
  '&lt;',
  "'; DROP TABLE windows;--",
  "x' OR '1'='1",
  '%_[a-z]',
  '../../etc/passwd',
  'a/b',
  '..',
  '.',
  '%2F',
  '\u202Ereversed',
  'ÄÖ 漢字 🚀',
  '$(id)',
  '{{7*7}}',
  '=cmd()',
];
const name = fc
  .oneof(fc.constantFrom(...HOSTILE), fc.string({ minLength: 1, maxLength: 128, unit: 'grapheme' }))
  .filter((text) => nameProblem('device', text) === undefined);

/** Cells of a row, split at the bars that are not escaped, as a reader of Markdown does. */
function cellsOf(row: string): string[] {
  const cells: string[] = [];
  let cell = '';
  for (let i = 0; i < row.length; i++) {
    if (row[i] === '|') {
      cells.push(cell);
      cell = '';
    } else {
      if (row[i] === '\\' && i + 1 < row.length) i += 1;
      cell += row[i];
    }
  }
  // What is before the first bar is no cell.
  return cells.slice(1).map((text) => text.trim());
}

const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** A name of up to 40 characters as its cell holds it: without marks that turn the direction of writing. */
const shown = (text: string): string => text.replaceAll(DIRECTION, '').replace(/\s+/g, ' ').trim();
const shortName = name.filter((text) => text.length <= 40);

test('a name never leaves its cell of the table in the Web UI, and is no markup there', () => {
  fc.assert(
    fc.property(shortName, shortName, fc.string({ maxLength: 300, unit: 'binary' }), (device, sensor, message) => {
      const lines = failureTable([{ device, sensor, class: 'model_failed', message }], 1)
        .trim()
        .split('\n');
      expect(lines.length).toBe(3);
      expect(cellsOf(lines[2]!).slice(0, 3)).toEqual([shown(device), shown(sensor), 'model_failed']);
      expect(cellsOf(lines[2]!)).toHaveLength(4);
      expect(lines[2]).not.toMatch(/(?<!\\)(\\\\)*[<>`[\]*]/);
    }),
  );
});

test('ids of child workflows have exactly the parts they should, and different sensors different ids', () => {
  fc.assert(
    fc.property(fc.tuple(name, name), fc.tuple(name, name), (a, b) => {
      const ids = new Map<string, number>();
      const id = ([device, sensor]: readonly [string, string]): string => {
        const key = JSON.stringify([device, sensor]);
        ids.set(key, ids.get(key) ?? ids.size + 1);
        const from = ids.get(key)!;
        return childId('batch', { from, to: from + 1, count: 1, single: { device, sensor } });
      };
      expect(id(a).split('/')).toHaveLength(3);
      expect(id(a)).toMatch(/^[\w%/~-]+$/);
      expect(id(a) === id(b)).toBe(a[0] === b[0] && a[1] === b[1]);
    }),
  );
});

test('SQL takes and gives back every name as it is, and finds each by it alone', async () => {
  const store = await openStore(`sqlite:${join(dir, 'fleet.db')}`);
  try {
    await store.migrate();
    const names = [...new Set([...HOSTILE, ...fc.sample(name, 100)])].filter(
      (text) => nameProblem('device', text) === undefined,
    );
    const keys = names.map((text, i) => ({ device: text, sensor: names[names.length - 1 - i]! }));
    await store.registerSensors(keys);
    expect((await store.listSensors()).map(({ device, sensor }) => ({ device, sensor }))).toEqual(keys);
    for (const key of keys) expect(await store.findSensor(key)).toMatchObject(key);
    expect(await store.findSensor({ device: "x' OR '1'='1", sensor: 'nothing' })).toBeUndefined();
  } finally {
    await store.close();
  }
});
