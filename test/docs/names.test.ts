/**
 * What pages name is there: commands with their options, variables, scripts of npm. A reader who copies a line that
 * does not work trusts no other one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');

const PAGES = ['', 'docs', 'docs/decisions', 'bench', 'deploy', 'deploy/stream-analytics', 'samples/init']
  .flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => join(folder, name)))
  .filter((name) => name.endsWith('.md') && !['CHANGELOG.md', join('docs', 'cli.md')].includes(name));

/** What docs/cli.md says of each command, by its name. */
const COMMANDS = new Map(
  read('docs/cli.md')
    .split(/^##+ /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section] as const),
);
const OF_ALL = new Set(['--help', '--json', '--home', '--version']);

/** Between backticks, and lines of examples. */
const CALL = /`(?:npx )?fleetscore ([^`]+)`|^ *(?:\$ )?fleetscore ([a-z][^|;#\n]*)/gm;

function problemsOf(call: string): string[] {
  const words = call.trim().split(/\s+/);
  const name = [3, 2, 1].map((many) => words.slice(0, many).join(' ')).find((some) => COMMANDS.has(some));
  if (name === undefined) return words[0]!.startsWith('--') ? [] : [`no command: fleetscore ${call}`];
  const options = call.match(/(?<![\w-])--[a-z][\w-]*/g) ?? [];
  return options
    .filter((option) => !OF_ALL.has(option) && !COMMANDS.get(name)!.includes(`${option} `))
    .map((option) => `fleetscore ${name} has no ${option}`);
}

test.each(PAGES)('%s names only commands and options that there are', (page) => {
  // A sentence that begins a line with the name of the program is no call.
  const calls = [...read(page).matchAll(CALL)].map((match) => match[1] ?? match[2]!);
  expect(calls.filter((call) => !call.startsWith('has ')).flatMap(problemsOf)).toEqual([]);
});

test('pages name only variables and scripts that there are', () => {
  const variables = new Set(read('docs/configuration.md').match(/FLEETSCORE_[A-Z0-9_]+/g));
  const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
  const unknown = PAGES.flatMap((page) => [
    ...(read(page).match(/\bFLEETSCORE_[A-Z0-9_]*[A-Z0-9]\b/g) ?? [])
      .filter((name) => !variables.has(name) && !name.startsWith('FLEETSCORE_TEST_'))
      .map((name) => `${page}: ${name}`),
    ...[...read(page).matchAll(/npm run ([a-z:]*[a-z])/g)]
      .filter(([, script]) => !Object.hasOwn(scripts, script!))
      .map(([, script]) => `${page}: npm run ${script}`),
  ]);
  expect(unknown).toEqual([]);
});
