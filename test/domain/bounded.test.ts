/**
 * Names of 128 characters in any script fit everywhere a name goes: ids of workflows, blobs, summaries and details.
 * Limits: Temporal 1,000 bytes an id and 200 a summary, 20,000 for details; Azure Blob Storage 1,024 characters a name
 * and 255 a part of one where the account has a hierarchical namespace; 800 and 1,000 in the columns of the store.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  predictionsFolder,
  chunkName,
  errorLogBlob,
  manifestBlob,
  predictionsBlob,
  workerLogBlob,
} from '../../domain/blob-names.ts';
import { byteLength, cutBytes, MAX_SUMMARY, MAX_WORKFLOW_ID } from '../../domain/bounded.ts';
import { encodeName, MAX_NAME_LENGTH, nameProblem } from '../../domain/sensor.ts';
import { cell, childId, failureTable, nameOf } from '../../workflows/details.ts';

const LETTERS: readonly (readonly [string, string])[] = [
  ['one byte', 'a'],
  ['one byte, encoded as three', '/'],
  ['two bytes', '\u0416'],
  ['three bytes', '\u6e29'],
  ['four bytes', '\u{1f680}'],
];
const BATCH = '20261123T141500.250Z-1a2b3c4d';
const full = (letter: string): string => letter.repeat(MAX_NAME_LENGTH / letter.length);
const range = (device: string, sensor: string, id = 2_000_000_000) =>
  ({ from: id, to: id + 1, count: 1, single: { device, sensor } }) as const;

function checkLimits(device: string, sensor: string): void {
  const one = range(device, sensor);
  const id = childId(BATCH, one);
  expect(byteLength(id)).toBeLessThanOrEqual(MAX_WORKFLOW_ID);
  expect(id.split('/')).toHaveLength(3);
  for (const text of ['', 'halve ', 'split ', 'record  as failed'])
    expect(byteLength(text + nameOf(one))).toBeLessThanOrEqual(MAX_SUMMARY);
  const chunk = chunkName(one, one.single);
  expect(chunk.length).toBeLessThanOrEqual(800);
  const folder = predictionsFolder(0, BATCH);
  for (const blob of [
    predictionsBlob(folder, `${chunk}.${'0'.repeat(12)}`, 'parquet'),
    errorLogBlob(BATCH, one.single),
    manifestBlob(folder),
    workerLogBlob(0, device),
  ]) {
    expect(blob.length).toBeLessThanOrEqual(1_000);
    expect(blob).toMatch(/^[\w%/.~=-]+$/);
    for (const part of blob.split('/')) expect(part.length).toBeLessThanOrEqual(255);
  }
  const failures = Array.from({ length: 5 }, () => ({
    device,
    sensor,
    class: 'internal' as const,
    message: device.repeat(3),
  }));
  expect(byteLength(failureTable(failures, 5))).toBeLessThan(20_000);
}

test.each(LETTERS)('128 characters of %s fit everywhere', (_, letter) => {
  expect(nameProblem('device', full(letter))).toBeUndefined();
  checkLimits(full(letter), full(letter));
});

const letter = fc.constantFrom(...LETTERS.map(([, text]) => text), '|', '*', '.', '~', '@');
const longName = fc
  .array(letter, { minLength: 1, maxLength: MAX_NAME_LENGTH })
  .map((letters) => letters.join('').slice(0, MAX_NAME_LENGTH))
  .filter((text) => nameProblem('device', text) === undefined);

test('so do all mixtures of them, and different sensors never meet', () => {
  fc.assert(
    fc.property(longName, longName, longName, longName, (d1, s1, d2, s2) => {
      checkLimits(d1, s1);
      const same = d1 === d2 && s1 === s2;
      expect(
        chunkName(range(d1, s1), { device: d1, sensor: s1 }) === chunkName(range(d2, s2), { device: d2, sensor: s2 }),
      ).toBe(same);
      if (!same) expect(childId(BATCH, range(d1, s1, 1))).not.toBe(childId(BATCH, range(d2, s2, 2)));
    }),
  );
});

test('names that differ only behind the cut have ids, chunks and logs of their own', () => {
  const [a, b] = [`${full('\u6e29').slice(0, -1)}a`, `${full('\u6e29').slice(0, -1)}b`];
  expect(childId(BATCH, range(a, 's'.repeat(128), 1))).not.toBe(childId(BATCH, range(b, 's'.repeat(128), 2)));
  expect(chunkName(range(a, 's'), { device: a, sensor: 's' })).not.toBe(
    chunkName(range(b, 's'), { device: b, sensor: 's' }),
  );
  expect(errorLogBlob(BATCH, { device: a, sensor: 's' })).not.toBe(errorLogBlob(BATCH, { device: b, sensor: 's' }));
  // A cut is not the name of another sensor, either.
  expect(encodeName('~')).toBe('%7E');
});

test('what fits keeps its name: ids and blobs of earlier versions are found', () => {
  const [device, sensor] = ['Pumpe 7', 'Öl.temp'];
  expect(childId(BATCH, range(device, sensor))).toBe(`${BATCH}/Pumpe%207/%C3%96l%2Etemp`);
  expect(chunkName(range(device, sensor), { device, sensor })).toBe('Pumpe%207.%C3%96l%2Etemp');
  expect(errorLogBlob(BATCH, { device, sensor })).toBe(`errors/${BATCH}/Pumpe%207.%C3%96l%2Etemp.json`);
  // Histories hold ids of up to 1,000 bytes.
  const long = range('\u6e29'.repeat(100), 'x');
  expect(childId(BATCH, long)).toBe(`${BATCH}/${encodeName(long.single.device)}/x`);
  expect(childId(BATCH, long, true)).toBe(`${BATCH}/2000000000-2000000001`);
});

test('a text is cut at whole characters, and an escape is never halved', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.integer({ min: 3, max: 120 }), (text, max) => {
      const cut = cutBytes(text, max);
      expect(byteLength(cut)).toBeLessThanOrEqual(max);
      expect(cut.isWellFormed()).toBe(text.isWellFormed());
      if (byteLength(text) <= max) expect(cut).toBe(text);
      else expect(text.startsWith(cut.slice(0, -1))).toBe(true);
    }),
  );
  expect(cell('|'.repeat(100), 20)).toBe(`${'\\|'.repeat(8)}\u2026`);
});

test.each([
  ['see https://evil.example', 'see https\\://evil.example'],
  ['www.evil.example', 'www\\.evil.example'],
  ['a@evil.example', 'a\\@evil.example'],
  ['[click](javascript:alert(1))', '\\[click\\](javascript:alert(1))'],
  ['\u202ereversed\u2066', 'reversed'],
])('in the Web UI %j is no link and turns no direction', (text, shown) => {
  expect(cell(text)).toBe(shown);
});
