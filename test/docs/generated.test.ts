/** Pages of docs/ that are made from the program say what the program says. */
import { readFileSync } from 'node:fs';
import { VARIABLES } from '../../config.ts';
import { configurationReference } from '../../config/reference.ts';
import { commandReference } from '../../cli/reference.ts';

const page = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

test('docs/configuration.md is what `npm run docs` writes', () => {
  expect(page('configuration.md')).toBe(configurationReference());
});

test('docs/configuration.md has every variable exactly once', () => {
  for (const { name } of VARIABLES)
    expect([name, page('configuration.md').split(`| \`${name}\` |`).length]).toEqual([name, 2]);
});

test('docs/cli.md is what `npm run docs` writes', async () => {
  expect(page('cli.md')).toBe(await commandReference());
});
