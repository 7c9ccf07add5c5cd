/** Help and version are told without what commands do: hundreds of processes of tests and of people start so. */
import { spawnSync } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createProgram } from '../../cli/program.ts';
import { tempDir } from '../support/temp.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Not that of the folder, which a developer may have used. */
const HOME = tempDir('start-up');
/** Prints the modules that were loaded, in place of what the command says. */
const TRACE = `import { registerHooks } from 'node:module'; const seen = [];
registerHooks({ load(url, context, next) { seen.push(url); return next(url, context); } });
process.on('exit', () => console.error(seen.join('\\n')));`;

/** Paths from the root of what `fleetscore ARGS` loads, packages by name. */
const loadedBy = (...args: readonly string[]): string[] => loadedIn('cli/main.ts', ...args);

/** What a program loads. */
const loadedIn = (...program: readonly string[]): string[] => [
  ...new Set(
    urlsOf(...program)
      .filter((line) => line.startsWith('file:'))
      .map((url) => packageOf(fileURLToPath(url).slice(ROOT.length))),
  ),
];

function urlsOf(...program: readonly string[]): string[] {
  const hook = `data:text/javascript,${encodeURIComponent(TRACE)}`;
  const flags = ['--disable-warning=ExperimentalWarning', '--import', hook];
  const { stderr } = spawnSync(process.execPath, [...flags, ...program], { cwd: ROOT, encoding: 'utf8' });
  const urls = stderr.split('\n').filter((line) => /^(file|node):/.test(line));
  expect(urls.length).toBeGreaterThan(5);
  return urls;
}

const packageOf = (path: string): string => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path;

test('help loads names, options and examples, and nothing of what commands do', () => {
  const loaded = loadedBy('--help');
  expect(loaded.filter((name) => !name.endsWith('.ts')).sort()).toEqual(['commander', 'picocolors']);
  expect(loaded.filter((name) => /^cli\/(?!commands\/|frame\/|command-line|main|program)/.test(name))).toEqual([]);
  expect(loaded.filter((name) => /^(storage\/sqlite|connect|workers|report|config)\//.test(name))).toEqual([]);
});

test('help loads no part of Node that is slow to load', () => {
  const builtin = urlsOf('cli/main.ts', '--help').filter((url) => url.startsWith('node:'));
  expect(builtin).toContain('node:fs');
  expect(builtin.filter((url) => /^node:(crypto|net|tls|http|https|sqlite|worker_threads)$/.test(url))).toEqual([]);
});

const LARGE = /^@temporalio\/(client|workflow|worker|proto)$|^@azure\/|^(zod|protobufjs|onnxruntime-node|mssql|rhea)$/;

test('commands that ask the store alone, or find nobody to ask, load no client of Temporal, Event Hubs or Blob', () => {
  const commands = [
    ['batch', 'list'],
    ['alarms', 'list'],
    ['sensors', 'list'],
    ['models', 'list'],
    ['models', 'history'],
    ['predictions', 'a/b'],
    ['db', 'status'],
    ['config'],
    ['completion', 'bash'],
    ['ingest', 'status'],
    ['status'],
  ];
  const calls = commands.map((words) => `await call(${JSON.stringify([...words, '--home', '/nowhere/at/all'])});`);
  const program = `import { runCommandLine as call } from './cli/command-line.ts'; ${calls.join(' ')}`;
  const loaded = loadedIn('--input-type=module', '-e', program);
  expect(loaded).toEqual(expect.arrayContaining(['cli/status/look.ts', 'cli/ingest/ingest.ts']));
  expect(loaded.filter((name) => LARGE.test(name))).toEqual([]);
});

test('a control worker starts without the client of Event Hubs, which it needs for its first alarm', () => {
  // A configuration that is refused ends it once all that it imports is loaded.
  const program = "process.env.FLEETSCORE_NO_SUCH_VARIABLE = 'x'; await import('./workers/control.ts');";
  const loaded = loadedIn('--input-type=module', '-e', program);
  expect(loaded).toEqual(expect.arrayContaining(['notify/senders.ts', '@temporalio/worker']));
  expect(loaded.filter((name) => /^(@azure\/event-hubs|rhea)$/.test(name))).toEqual([]);
});

test('the version that bin tells at once is that of the program', async () => {
  const { stdout } = spawnSync(process.execPath, ['bin/fleetscore.js', '-V'], { cwd: ROOT, encoding: 'utf8' });
  expect(stdout.trim()).toBe((await createProgram([])).version());
  expect(stdout.trim()).toBe((JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as { version: string }).version);
});

/** Runs a program with a full disk behind one of its streams. */
function onFullDisk(stream: 'stdout' | 'stderr', ...program: readonly string[]) {
  const full = openSync('/dev/full', 'w');
  const stdio = ['ignore' as const, ...(stream === 'stdout' ? [full, 'pipe' as const] : ['pipe' as const, full])];
  const env = { ...process.env, NO_COLOR: '1', FLEETSCORE_HOME: HOME };
  const { status, stderr } = spawnSync(process.execPath, program, { cwd: ROOT, encoding: 'utf8', stdio, env });
  return { status, stderr };
}

(existsSync('/dev/full') ? test : test.skip)(
  'output that cannot be written is an error, a word beside it is none',
  () => {
    const lost = onFullDisk('stdout', 'cli/main.ts', 'completion', 'bash');
    expect(lost.status).toBe(1);
    expect(lost.stderr).toMatch(/^error: What this command says could not be written .*ENOSPC.* Make room/);
    expect(onFullDisk('stdout', 'bin/fleetscore.js', '--version')).toEqual({ status: 1, stderr: '' });
    expect(onFullDisk('stderr', 'cli/main.ts', 'completion', 'nosuch').status).toBe(2);
  },
);
