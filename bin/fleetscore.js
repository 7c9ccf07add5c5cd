#!/usr/bin/env node
/**
 * Starts the command line on a Node that is new enough: this one, or the pinned one in a process of its own; from
 * source where there is source, else built. The version is told without any of that.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { findNode, tooOld } from './node-version.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const args = process.argv.slice(2);

function start() {
  if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
    // A reader that has gone is no error; a full disk is.
    process.stdout.on('error', ({ code }) => process.exit(code === 'EPIPE' ? 0 : 1));
    process.stdout.write(`${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}\n`);
    return undefined;
  }
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
  // Compiled code is kept beside the installed packages: a fifth of the time that a short command takes. Children use
  // it too.
  const modules = fromSource ? join(root, 'node_modules') : join(root, '..');
  process.env.NODE_COMPILE_CACHE ??= join(modules, '.cache', 'fleetscore', 'compile');
  return node === process.execPath ? here(program) : elsewhere(node, program);
}

/** In this process: another one would cost as much as a short command. */
function here(program) {
  module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
  // node:sqlite still prints that it is experimental. In a process of its own a flag keeps it quiet.
  const [print] = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => void (warning.name === 'ExperimentalWarning' || print?.call(process, warning)));
  return import(pathToFileURL(program).href);
}

function elsewhere(node, program) {
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', program, ...args], { stdio: 'inherit' });
  // Ctrl-C reaches the child by itself: we only wait for it to end well.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
}

await start();
