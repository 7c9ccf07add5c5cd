/**
 * A process that has loaded the command line and runs calls of it one after the other (warm-cli.ts). Each has the
 * environment, the output and the exit code of a process of its own; what a module keeps for itself is shared.
 */
import { runCommandLine } from '../../cli/command-line.ts';
import { reportFault } from '../../cli/frame/command.ts';
import type { WarmCall, WarmResult } from './warm-cli.ts';

let finish: ((code: number) => void) | undefined;
let json = false;

// A command that ends its process ends its call, and the process is not used again.
process.exit = (code?: number) => {
  finish?.(Number(code ?? process.exitCode ?? 0));
  process.disconnect();
  return new Promise(() => {}) as never;
};
process.on('uncaughtException', (error) => void reportFault(error, json));

function capture(stream: NodeJS.WriteStream): string[] {
  const said: string[] = [];
  stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    said.push(Buffer.from(chunk as Uint8Array).toString());
    const done = rest.at(-1);
    if (typeof done === 'function') (done as () => void)();
    return true;
  };
  return said;
}

process.on('message', ({ words, env }: WarmCall) => {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  process.exitCode = undefined;
  json = words.includes('--json');
  const [stdout, stderr] = [capture(process.stdout), capture(process.stderr)];
  finish = (code) => {
    finish = undefined;
    process.send!({ code, stdout: stdout.join(''), stderr: stderr.join('') } satisfies WarmResult);
  };
  void runCommandLine(words).then(() => finish?.(Number(process.exitCode ?? 0)));
});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.send!('ready');
