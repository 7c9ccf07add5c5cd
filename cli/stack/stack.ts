/** `fleetscore up` and `fleetscore down`: the laptop stack of this folder. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import pc from 'picocolors';
import { loadConfig } from '../../config.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { isAlive, refOf, waitForEnd } from '../../local/processes.ts';
import { startStack, type Stack } from '../../local/stack.ts';
import { lockOwner, readStack, releaseHome, type StackState } from '../../local/state.ts';
import { codeFile } from '../../paths.ts';
import { action, asWhole, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { untilInterrupted } from '../frame/interrupt.ts';
import { facts } from '../frame/text.ts';
import { sayWithKeys, tell } from '../frame/terminal.ts';
import { redact } from '../../domain/redact.ts';

export interface UpOptions {
  readonly detach?: boolean;
  readonly ports?: string;
  readonly scoringWorkers: number | 'auto';
}

export function addStackOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--ports <how>', 'auto: any free ports; default: the usual ones (7233, 8233, 10000, 5672)').choices([
        'auto',
        'default',
      ]),
    )
    .addOption(
      new Option(
        '--scoring-workers <n>',
        'scoring worker processes; auto: a pool that starts at zero and grows with the work',
      )
        .default('auto')
        .argParser(asWorkers),
    );
}

const asWorkers = (text: string): number | 'auto' => (text === 'auto' ? 'auto' : asWhole(0, 64)(text));

export function registerUp(program: Command): void {
  addStackOptions(
    program.command('up').description('start the laptop stack and its workers on loopback, and stay until Ctrl-C'),
  )
    .option('--detach', 'return when all is ready; `fleetscore down` stops it')
    .action(action<[], UpOptions>(up));
}

export function registerDown(program: Command): void {
  program
    .command('down')
    .description('stop the laptop stack of this folder; its data stay')
    .action(action<[], object>(down));
}

/** The environment of a stack: as set, without what a running stack added, with the ports asked for. */
export function stackEnv(context: Context, options: Pick<UpOptions, 'ports'>): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, FLEETSCORE_HOME: context.config.home };
  if (options.ports === 'auto')
    for (const name of ['TEMPORAL', 'UI', 'BLOB', 'EVENT_HUBS']) env[`FLEETSCORE_${name}_PORT`] = 'auto';
  return env;
}

export function startLocal(
  context: Context,
  options: Pick<UpOptions, 'ports' | 'scoringWorkers'>,
  log: (line: string) => void,
): Promise<Stack> {
  const env = stackEnv(context, options);
  return startStack({
    config: loadConfig(env),
    env,
    log,
    scoringWorkers: options.scoringWorkers === 'auto' ? 'pool' : options.scoringWorkers,
  });
}

async function up(context: Context, options: UpOptions): Promise<Output | undefined> {
  if (options.detach) return detach(context, options);
  const interrupted = untilInterrupted();
  const log = tell;
  const stack = await startLocal(context, options, log);
  const state = readStack(context.config.home)!;
  sayWithKeys(context.json ? JSON.stringify(stateData(state)) : `${describe(state)}\n\nCtrl-C stops it.`);
  try {
    await Promise.race([interrupted, stack.broken]);
  } finally {
    log('Stopping ...');
    await stack.stop();
  }
  return undefined;
}

async function detach(context: Context, options: UpOptions): Promise<Output> {
  const { home } = context.config;
  mkdirSync(join(home, 'logs'), { recursive: true });
  const running = readStack(home);
  if (running) return { data: stateData(running), text: `Already up.\n${describe(running)}`, withKeys: true };
  const logFile = join(home, 'logs', 'stack.log');
  const log = openSync(logFile, 'w', 0o600);
  const args = [
    '--disable-warning=ExperimentalWarning',
    codeFile('cli/main'),
    'up',
    '--home',
    home,
    '--scoring-workers',
    String(options.scoringWorkers),
  ];
  const child = spawn(process.execPath, args, {
    env: stackEnv(context, options),
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  let exited = false;
  child.once('exit', () => (exited = true));
  for (;;) {
    const state = readStack(home);
    if (state) {
      child.unref();
      return { data: stateData(state), text: describe(state), withKeys: true };
    }
    if (exited)
      throw new FleetscoreError(
        'START_FAILED',
        readFileSync(logFile, 'utf8')
          .trim()
          .replace(/^(\u001b\[\d+m)*error:(\u001b\[\d+m)* /m, '') || `the stack ended at once. Its log: ${logFile}`,
      );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function down(context: Context): Promise<Output> {
  const { home } = context.config;
  const owner = lockOwner(home);
  if (!owner || !isAlive(owner)) {
    releaseHome(home);
    return { data: { stopped: false }, text: `No laptop stack runs in ${home}.` };
  }
  if (owner.pid !== process.pid && refOf(owner.pid)?.started === owner.started) process.kill(owner.pid, 'SIGTERM');
  if (!(await waitForEnd(owner, 90_000)))
    throw new FleetscoreError(
      'STOP_FAILED',
      `the laptop stack (process ${owner.pid}) does not end. Look into ${join(home, 'logs')}, or end the process by hand.`,
    );
  return { data: { stopped: true }, text: 'Stopped. Data stay in place; `fleetscore up` goes on with them.' };
}

const stateData = (state: StackState) => ({
  pid: state.supervisor.pid,
  startedAt: state.startedAt,
  ui: state.ui,
  env: { ...state.env, FLEETSCORE_SQL_URL: redact(state.env.FLEETSCORE_SQL_URL ?? '') },
});

function describe(state: StackState): string {
  return facts([
    ['Web UI', pc.cyan(state.ui)],
    ['Temporal', state.env.TEMPORAL_ADDRESS],
    ['Event Hubs', state.env.FLEETSCORE_EVENT_HUBS_CONNECTION_STRING],
    ['SQL', redact(state.env.FLEETSCORE_SQL_URL ?? '')],
    ['Blob', state.env.FLEETSCORE_BLOB_CONNECTION_STRING?.match(/BlobEndpoint=([^;]*)/)?.[1]],
    ['Process', state.supervisor.pid],
  ]);
}
