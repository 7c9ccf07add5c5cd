/**
 * What stands for earlier versions never changes: recorded histories and packed homes are listed with their SHA-256.
 */
import { expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { HOMES, homeFile } from './homes.ts';

const HISTORIES = new URL('../histories/', import.meta.url);
const sha256 = (file: URL): string => createHash('sha256').update(readFileSync(file)).digest('hex');

test('recorded histories are those that histories.sha256 lists, byte for byte', () => {
  const listed = readFileSync(new URL('histories.sha256', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .sort();
  const found = readdirSync(HISTORIES, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => `${sha256(new URL(name, HISTORIES))}  ${name}`)
    .sort();
  expect(found).toEqual(listed);
});

test('homes of earlier versions are those that homes.json lists, and all together below 1 MB', () => {
  const found = Object.fromEntries(
    readdirSync(new URL('homes/', import.meta.url)).map((file) => {
      const name = file.replace(/\.tar\.br$/, '');
      return [name, sha256(homeFile(name))];
    }),
  );
  expect(found).toEqual(Object.fromEntries(Object.entries(HOMES).map(([name, home]) => [name, home.sha256])));
  const bytes = Object.values(HOMES).map((home) => home.bytes);
  expect(Math.max(...bytes)).toBeLessThan(200_000);
  expect(bytes.reduce((sum, n) => sum + n, 0)).toBeLessThan(1_000_000);
});
