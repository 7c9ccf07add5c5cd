/**
 * Runs a server that knows nothing of us (Temporal) and makes sure that it never outlives us:
 * when the IPC channel to the process that started this guard closes, whatever the reason, the server gets
 * SIGTERM and, if it does not listen, SIGKILL. Plain JavaScript: it runs the same from source and built.
 * usage: guard.js COMMAND ARGS...
 */
import { spawn } from 'node:child_process';

const [command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });

let ending = false;
function end() {
  if (ending) return;
  ending = true;
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), 8_000).unref();
}
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, end);
process.on('disconnect', end);
child.on('error', (error) => {
  process.stderr.write(`${command} cannot be started: ${error.message}\n`);
  process.exit(127);
});
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGTERM' ? 0 : 1)));
