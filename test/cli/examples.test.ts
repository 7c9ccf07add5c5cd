/** Examples of help, completion and wrong calls, all against the tree of commands: nothing is started. */
import { Argument, type Command, CommanderError } from 'commander';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXAMPLES, pathOf } from '../../cli/commands/examples.ts';
import { possibleWords } from '../../cli/frame/complete-words.ts';
import { nextStep } from '../../cli/batch/explain.ts';
import { createProgram } from '../../cli/program.ts';
import { tempDir } from '../support/temp.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Those that do something; one that takes arguments does, also where it has others below it. */
const leavesOf = (command: Command): Command[] => [
  ...(command.commands.length === 0 || command.registeredArguments.length > 0 ? [command] : []),
  ...command.commands.flatMap(leavesOf),
];

/** The words of a line as a shell takes them. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c!);

/** A program whose commands do nothing, and say nothing where they are called the wrong way. */
async function silent(called: string[]): Promise<Command> {
  const program = await createProgram([]);
  const walk = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
    command.commands.forEach(walk);
  };
  walk(program);
  for (const leaf of leavesOf(program)) leaf.action(() => void called.push(pathOf(leaf)));
  return program;
}

test('every command has an example, and no example is of a command that is not there', async () => {
  const names = leavesOf(await createProgram([])).map(pathOf);
  expect(Object.keys(EXAMPLES).sort()).toEqual([...names].sort());
});

test.each(Object.entries(EXAMPLES).flatMap(([name, lines]) => lines.map((line) => [name, line] as const)))(
  'the command line takes the example of %j: %s',
  async (name, line) => {
    const called: string[] = [];
    await (await silent(called)).parseAsync(wordsOf(line), { from: 'user' });
    expect(called).toEqual([name]);
  },
);

test('global options in a help are those of the program, not those of the command above', async () => {
  const program = await createProgram(['predictions']);
  const [predictions] = program.commands;
  const command = predictions!.commands.find((each) => each.name() === 'export')!;
  const help = command.createHelp();
  expect(help.visibleGlobalOptions(command).map(({ long }) => long)).toEqual(['--version', '--json', '--home']);
  expect(help.visibleGlobalOptions(program)).toEqual([]);
});

test('examples stand in the help of their command', async () => {
  const program = await createProgram(['explain']);
  let help = '';
  const explain = program.commands.find((command) => command.name() === 'explain')!;
  explain.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  expect(help).toContain('Examples:\n  fleetscore explain press-7/oil-temp');
});

test.each([
  [['bach', 'list'], /unknown command 'bach'/, /Did you mean batch/],
  [['batch', 'lst'], /unknown command 'lst'/, /Did you mean list/],
  [['batch', 'list', '--satus', 'failed'], /unknown option '--satus'/, /Did you mean --status/],
  [['batch', 'list', '--status', 'broken'], /'broken' is invalid/, /Allowed choices are waiting, running/],
  [['batch', 'list', '--limit', '0'], /'0' is invalid/, /whole number from 1 to 10000/],
  [['batch', 'run', '--from', '2026-01-01'], /required option '--to <time>' not specified/, /./],
  [['batch', 'show'], /missing required argument 'batch'/, /./],
  [['batch', 'show', 'a', 'b'], /too many arguments/, /./],
  [['batch', 'run', '--from', '0001-01-01', '--to', '2026-01-01'], /time "0001-01-01"/, /./],
  [['schedule', 'create', 'x', '--every', '0s'], /duration "0s"/, /./],
  // A timer of Node that is given more fires at once, again and again.
  [['status', '--watch', '--every', '30d'], /'30d' is invalid/, /a duration up to 24d/],
  [['pool', 'watch', '--every', '30d'], /'30d' is invalid/, /a duration up to 24d/],
  [['alarms', 'list', '--watch', '--every', '30d'], /'30d' is invalid/, /a duration up to 24d/],
  [['pool', 'set', '--idle', '0banana'], /"0banana" is not a duration/, /Use a number and a unit/],
  [['schedule', 'create', 'x', '--every', '5m', '--cron', '* * * * *'], /cannot be used with/, /./],
  [['send'], /missing required argument 'file'/, /./],
  [['send', 'a.csv', '--separator', 'abc'], /'abc' is invalid/, /one character/],
  [['send', 'a.csv', '--columns', 'time=x'], /'time=x' is invalid/, /ts=NAME/],
  [['pool', 'set', '--max', 'many'], /'many' is invalid/, /whole number/],
  [['completion', 'tcsh'], /'tcsh' is invalid/, /bash, zsh, fish/],
  [['local', 'event-hubs', '--port', '70000'], /'70000' is invalid/, /0 to 65535/],
  [['models', 'challenge', 'v2', '--share', '2'], /'2' is invalid/, /0 to 1/],
])('fleetscore %j is a wrong call that says what, and what is meant', async (args, what, remedy) => {
  const program = await createProgram([]);
  let said = '';
  const walk = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: (text) => (said += text) });
    command.commands.forEach(walk);
  };
  walk(program);
  await expect(program.parseAsync([...args], { from: 'user' })).rejects.toThrow(CommanderError);
  expect(said).toMatch(what);
  expect(said).toMatch(remedy);
  expect(said).not.toMatch(/^\s+at /m);
});

test.each([
  [[''], { kind: 'words', words: expect.arrayContaining(['batch', 'explain', 'init']) }],
  [['batch', ''], { kind: 'words', words: expect.arrayContaining(['run', 'list', 'show']) }],
  [['batch', 'show', ''], { kind: 'names', of: 'batch' }],
  [['alarms', 'ack', ''], { kind: 'names', of: 'alarm' }],
  [['alarms', 'list', '--device', ''], { kind: 'names', of: 'device' }],
  [['explain', 'pump'], { kind: 'names', of: 'device/sensor' }],
  [['batch', 'redrive', 'id', '--sensor', ''], { kind: 'names', of: 'device/sensor' }],
  [['sensors', 'list', '--device', ''], { kind: 'names', of: 'device' }],
  [['schedule', 'describe', ''], { kind: 'names', of: 'schedule' }],
  [['models', 'promote', ''], { kind: 'names', of: 'release' }],
  [['batch', 'list', '--status', ''], { kind: 'words', words: expect.arrayContaining(['failed', 'waiting']) }],
  [['completion', ''], { kind: 'words', words: ['bash', 'zsh', 'fish'] }],
  [['send', 'one.csv', 'two'], { kind: 'files' }],
  [['--home', 'x', 'batch', 'list', '--'], { kind: 'words', words: expect.arrayContaining(['--status', '--json']) }],
  [['batch', 'show', 'id', '--json', ''], { kind: 'words', words: expect.arrayContaining(['--json', '--home']) }],
  [['batch', 'run', '--from', ''], { kind: 'nothing' }],
])('after %j may follow %j', async (words, expected) => {
  expect(possibleWords(await createProgram([]), words)).toEqual(expected);
});

test('value names are those that completion knows, or stand for what nobody can list', async () => {
  const names = leavesOf(await createProgram([])).flatMap((leaf) =>
    leaf.registeredArguments.map((argument: Argument) => argument.name()),
  );
  const known = [
    'alarm',
    'batch',
    'device/sensor',
    'schedule',
    'release',
    'file',
    'dir',
    'out',
    'folder',
    'shell',
    'role',
    'way',
  ];
  const free = ['sensor', 'time', 'more', 'version', 'threshold', 'text'];
  expect([...new Set(names)].filter((name) => ![...known, ...free].includes(name))).toEqual([]);
});

test('with --json a wrong call is one JSON error as well', () => {
  const args = ['--disable-warning=ExperimentalWarning', 'cli/main.ts', '--json', 'batch', 'list', '--satus', 'x'];
  const { status, stderr, stdout } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  expect([status, stdout]).toEqual([2, '']);
  const message = expect.stringMatching(/^unknown option '--satus' \(Did you mean --status\?\)$/);
  expect(JSON.parse(stderr)).toEqual({ error: { code: 'INVALID_ARGUMENT', message } });
});

test.each([
  [true, 0, /^Its readings are there, and were not scored yet: fleetscore batch run --from 1970-01-01T00:00:10/],
  [false, -1, /^No readings are taken so far.*fleetscore ingest status$/],
  [false, 12_000, /^Readings are taken up to 1970-01-01 00:00:12 UTC so far/],
  [false, 60_000, /^It has no reading then.* See: fleetscore sensors list --device 'press 7'$/],
])('explain says what to do where nothing was scored: readings %p, watermark %d', (there, watermarkMs, said) => {
  const period = { fromMs: 10_000, toMs: 15_000 };
  expect(nextStep({ device: 'press 7', sensor: 'oil-temp' }, period, there, watermarkMs)).toMatch(said);
});

const hasFish = spawnSync('fish', ['--version']).status === 0;
(hasFish ? test : test.skip)(
  'fish asks the program for what may follow',
  () => {
    const [folder, home] = [tempDir('fish'), tempDir('fish-home')];
    const program = `#!/bin/sh\nexec '${process.execPath}' '${ROOT}bin/fleetscore.js' "$@"\n`;
    writeFileSync(join(folder, 'fleetscore'), program, { mode: 0o755 });
    const ask = 'fleetscore completion fish | source; complete -C "fleetscore alarms sh"';
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', ask], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${folder}:${process.env['PATH']}`, HOME: home, FLEETSCORE_HOME: home },
    });
    expect([stdout.trim().split('\n').sort(), stderr]).toEqual([['shelve', 'show'], '']);
  },
  60_000,
);
