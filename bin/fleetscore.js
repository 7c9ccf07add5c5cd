#!/usr/bin/env node
/** Starts the command line on a Node that is new enough; from source where there is source, else built. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode, tooOld } from './node-version.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const node = findNode(root);
if (!node) {
  process.stderr.write(
    `${tooOld('Run `npm install` again, without --ignore-scripts and without --omit=optional, or install a newer Node.')}\n`,
  );
  process.exit(1);
}
const source = join(root, 'cli', 'main.ts');
const fromSource = existsSync(source);
const program = fromSource ? source : join(root, 'dist', 'cli', 'main.js');
// Compiled code is kept beside the installed packages: a fifth of the time that a short command takes.
const modules = fromSource ? join(root, 'node_modules') : join(root, '..');
const env = { NODE_COMPILE_CACHE: join(modules, '.cache', 'fleetscore', 'compile'), ...process.env };

// node:sqlite still prints that it is experimental.
const child = spawn(node, ['--disable-warning=ExperimentalWarning', program, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env,
});
// Ctrl-C reaches the child by itself: we only wait for it to end well.
process.on('SIGINT', () => {});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
