/**
 * `npm start`, `npm test` and friends on a fresh clone: installs the locked dependencies where they are
 * missing or older than the lock file, then runs the task on a Node that is new enough.
 * usage: node bin/run.js TASK ARGS...
 */
import { spawn, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isInstalled, noteInstalled } from './installed.js';
import { findNode, tooOld } from './node-version.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const jest = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];

/** Tests of pure functions: no server, no process, no waiting. Under 20 s on a quiet machine. */
const pure = [
  'test/(config|domain)/',
  'test/ingest/(filter|parse-event|send-csv|windows).test',
  'test/package/rooms.test',
  'test/pool/policy.test',
  'test/report/(faults|format|html|table).test',
  'test/scoring/(concurrency|features).test',
  'test/storage/mssql-(errors|statements).test',
  'test/workflows/requests.test',
];

/** What follows `node` for each task. */
const TASKS = {
  start: ['bin/fleetscore.js', 'demo'],
  test: jest,
  'test:fast': [...jest, ...pure],
  build: ['bin/build.js'],
  bench: ['bench/main.ts'],
  'bench:ingest': ['bench/ingest.ts'],
  'bench:site': ['--disable-warning=ExperimentalWarning', 'bench/site.ts'],
  chaos: ['--disable-warning=ExperimentalWarning', 'test/trials/main.ts'],
  'demo:autoscale': ['--disable-warning=ExperimentalWarning', 'bench/autoscale/main.ts'],
  soak: ['--disable-warning=ExperimentalWarning', 'test/trials/soak.ts'],
  fuzz: ['--disable-warning=ExperimentalWarning', 'test/fuzz/main.ts'],
  histories: ['test/support/record-histories.ts'],
  'upgrade:home': ['--disable-warning=ExperimentalWarning', 'test/upgrade/make-home.ts'],
  rehearse: ['deploy/rehearse.js'],
  'check:deploy': [...jest, 'test/deploy', '--verbose'],
  types: ['node_modules/typescript/bin/tsc', '-p', '.'],
  lint: ['bin/lint.js'],
  format: ['node_modules/oxfmt/bin/oxfmt', '.'],
  docs: ['docs/generate.ts'],
  'format:check': ['node_modules/oxfmt/bin/oxfmt', '--check', '.'],
};

function install() {
  if (isInstalled(root)) return;
  process.stderr.write('Installing dependencies (npm ci, once; 1.4 GB, some minutes) ...\n');
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm'];
  const done = spawnSync(npm[0], [...npm.slice(1), 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    // GPU files, which nothing here needs (.npmrc says the same to npm before version 12).
    env: { ONNXRUNTIME_NODE_INSTALL: 'skip', ...process.env },
  });
  if (done.status !== 0) {
    process.stderr.write(
      `npm ci failed${done.error ? `: ${done.error.message}` : ''}. Mend what it says above, then run this again.\n`,
    );
    process.exit(1);
  }
  noteInstalled(root);
}

const [task = '', ...args] = process.argv.slice(2);
const command = TASKS[task];
if (!command) {
  process.stderr.write(`unknown task ${JSON.stringify(task)}: use one of ${Object.keys(TASKS).join(', ')}\n`);
  process.exit(2);
}
install();
const node = findNode(root);
if (!node) {
  process.stderr.write(
    `${tooOld('Delete node_modules and run this again; npm must be allowed to run install scripts.')}\n`,
  );
  process.exit(1);
}
// Types are stripped and code is compiled once, not in each of the processes that a task starts: a fifth of their CPU.
const env = { NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'fleetscore', 'compile'), ...process.env };
const child = spawn(node, [...command, ...args], { cwd: root, stdio: 'inherit', env });
process.on('SIGINT', () => {});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
