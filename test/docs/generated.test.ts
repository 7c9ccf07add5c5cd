/** Pages of docs/ that are made from the program say what the program says. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VARIABLES } from '../../config.ts';
import { configurationReference } from '../../config/reference.ts';
import { commandReference } from '../../cli/reference.ts';
import { ERROR_CODES, errorReference } from '../../domain/error-codes.ts';

const page = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ROOMS = readdirSync(ROOT, { withFileTypes: true })
  .filter(
    ({ name }) =>
      !name.startsWith('.') && !['bench', 'dist', 'docs', 'findings', 'node_modules', 'test'].includes(name),
  )
  .flatMap((entry) =>
    entry.isDirectory()
      ? readdirSync(join(ROOT, entry.name), { recursive: true, encoding: 'utf8' }).map((name) => join(entry.name, name))
      : [entry.name],
  )
  .filter((name) => name.endsWith('.ts') && name !== join('domain', 'error-codes.ts'));
const codeOf = (name: string): string => readFileSync(join(ROOT, name), 'utf8');

test('docs/configuration.md is what `npm run docs` writes', () => {
  expect(page('configuration.md')).toBe(configurationReference());
});

test('docs/configuration.md has every variable exactly once', () => {
  for (const { name } of VARIABLES)
    expect([name, page('configuration.md').split(`| \`${name}\` |`).length]).toEqual([name, 2]);
});

test('docs/errors.md is what `npm run docs` writes', () => {
  expect(page('errors.md')).toBe(errorReference());
});

test('docs/errors.md has only codes that the program throws', () => {
  const sources = ROOMS.map(codeOf).join('\n');
  // Classes of models are codes in capitals (scoring/model-problem.ts).
  const thrown = (code: string): boolean =>
    sources.includes(`'${code}'`) || sources.includes(`'${code.toLowerCase()}'`);
  const codes = Object.values(ERROR_CODES).flatMap((group) => Object.keys(group));
  expect(codes.filter((code) => !thrown(code))).toEqual([]);
  expect(new Set(codes).size).toBe(codes.length);
});

test('docs/cli.md is what `npm run docs` writes', async () => {
  expect(page('cli.md')).toBe(await commandReference());
});
