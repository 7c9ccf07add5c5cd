/** `fleetscore up` and `fleetscore down`: the laptop stack of this folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pc from 'picocolors';
import { loadConfig } from '../../config.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { folderProblem, makeFolder, PRIVATE } from '../../storage/folders.ts';
import { temporalSettings } from '../../connect/temporal-settings.ts';
import { isAlive, refOf, waitForEnd } from '../../connect/processes.ts';
import { startStack, type Stack } from '../../local/stack.ts';
import { lockOwner, readStack, type StackState } from '../../local/state.ts';
import { codeFile } from '../../paths.ts';
import type { Output } from '../frame/command.ts';
import { openContext, type Context } from '../frame/context.ts';
import { aborted, interruption } from '../frame/interrupt.ts';
import { facts } from '../frame/text.ts';
import { sayWithKeys, tell } from '../frame/terminal.ts';
import { ERROR_LINE, lastError } from './last-end.ts';
import { defined } from '../../domain/defined.ts';
import { redact } from '../../domain/redact.ts';
import { dropTargets } from '../../local/prometheus-targets.ts';
import type { OutsideTemporal } from '../../local/outside-temporal.ts';

export interface UpOptions {
  readonly detach?: boolean;
  readonly ports?: string;
  readonly scoringWorkers: number | 'auto';
  /** Address of a Temporal server that somebody else runs. */
  readonly temporal?: string;
  readonly namespace?: string;
}

/** The environment of a stack: as set, without what a running stack added, with the ports asked for. */
function stackEnv(context: Context, options: Pick<UpOptions, 'ports'>): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, FLEETSCORE_HOME: context.config.home };
  if (options.ports === 'auto')
    for (const name of ['TEMPORAL', 'UI', 'APP', 'BLOB', 'EVENT_HUBS']) env[`FLEETSCORE_${name}_PORT`] = 'auto';
  return env;
}

export function startLocal(
  context: Context,
  options: Omit<UpOptions, 'detach'>,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<Stack> {
  const env = stackEnv(context, options);
  const temporal = outsideOf(options);
  const others = temporal ? [] : temporalSettings(process.env);
  if (others.length > 0)
    log(
      `Settings for other Temporal servers are not used here: ${others.join(', ')}. This stack has a server of its ` +
        'own; `--temporal ADDRESS` puts it on another.',
    );
  return startStack({
    config: loadConfig(env),
    env,
    log,
    signal,
    app: true,
    scoringWorkers: options.scoringWorkers === 'auto' ? 'pool' : options.scoringWorkers,
    ...defined({ temporal }),
  });
}

/** @throws FleetscoreError `INVALID_ARGUMENT` */
function outsideOf({ temporal: address, namespace }: UpOptions): OutsideTemporal | undefined {
  if (address !== undefined) return { address, ...defined({ namespace }) };
  if (namespace === undefined) return undefined;
  throw new FleetscoreError(
    'INVALID_ARGUMENT',
    `--namespace ${namespace} is one of a Temporal server that you run: name its address, too, with --temporal HOST:PORT.`,
  );
}

export async function up(context: Context, options: UpOptions): Promise<Output | undefined> {
  if (options.detach) return detach(context, options);
  const interrupted = interruption();
  const stack = await startLocal(context, options, tell, interrupted);
  const state = readStack(context.config.home)!;
  sayWithKeys(context.json ? JSON.stringify(stateData(state)) : `${describe(state)}\n\nCtrl-C stops it.`);
  void tellHoles(context, tell);
  try {
    await Promise.race([aborted(interrupted), stack.broken]);
  } finally {
    tell('Stopping ...');
    await stack.stop();
  }
  return undefined;
}

/** Batches that are looked at after a start: about what a day of every 15 minutes has. */
const LOOKED_AT = 100;

/**
 * What the last end may have cost: told right away, and manifests are written again. Trouble is for `doctor` to tell.
 */
async function tellHoles(context: Context, log: (line: string) => void): Promise<void> {
  const { newestHoles } = await import('../batch/verify.ts');
  const { holeLines } = await import('../../batches/holes.ts');
  const own = openContext({ home: context.config.home });
  try {
    for (const line of holeLines(await newestHoles(own, LOOKED_AT))) log(line);
  } catch (error) {
    log(`What the newest batches have in Blob could not be looked at: ${messageOf(error)}`);
  } finally {
    await own.close();
  }
}

/** Said once all is up, to those who have the prompt back. */
const NEXT =
  'Next: fleetscore status; with models and readings: fleetscore models publish DIR, ' +
  'fleetscore send FILE.csv --wait. Stop: fleetscore down';

/** Nothing it starts may go on without a word for longer than this: the longest step is a download, which says so. */
const SILENCE_MS = 15 * 60_000;

async function detach(context: Context, options: UpOptions): Promise<Output> {
  const { home } = context.config;
  const running = readStack(home);
  if (running) return { data: stateData(running), text: `Already up.\n${describe(running)}`, withKeys: true };
  const interrupted = interruption();
  const { child, logFile } = startDetached(context, options);
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let exited = false;
  void exit.then(() => (exited = true));
  for (let shown = 0, movedAt = Date.now(); ;) {
    const state = readStack(home);
    if (state && state.supervisor.pid === child.pid) {
      child.unref();
      await tellHoles(context, tell);
      return { data: stateData(state), text: `${describe(state)}\n\n${NEXT}`, withKeys: true };
    }
    const said = readFileSync(logFile, 'utf8');
    if (exited)
      throw new FleetscoreError('START_FAILED', lastError(said) ?? `the stack ended at once. Its log: ${logFile}`);
    const lines = said.slice(0, said.lastIndexOf('\n') + 1).slice(shown);
    if (lines !== '') {
      shown += lines.length;
      movedAt = Date.now();
      for (const line of lines.trimEnd().split('\n')) if (!ERROR_LINE.test(line)) tell(line);
    }
    if (interrupted.aborted || Date.now() - movedAt > SILENCE_MS) {
      child.kill('SIGTERM');
      await Promise.race([exit, sleep(STOP_MS).then(() => child.kill('SIGKILL'))]);
      throw interrupted.aborted
        ? new FleetscoreError('INTERRUPTED', 'stopped before all was up: no process is left, and data stay in place.')
        : new FleetscoreError(
            'START_FAILED',
            `the stack said nothing for ${SILENCE_MS / 60_000} min and was ended. Its log: ${logFile}`,
          );
    }
    await sleep(100);
  }
}

/** Longest wait for the end of a start that is given up. */
const STOP_MS = 10_000;

function startDetached(
  context: Context,
  options: UpOptions,
): { readonly child: ChildProcess; readonly logFile: string } {
  const { home } = context.config;
  const logFile = join(home, 'logs', 'stack.log');
  makeFolder(home, PRIVATE);
  makeFolder(join(home, 'logs'), PRIVATE);
  let log: number;
  try {
    // What the start before said is kept: it may have ended badly.
    if (existsSync(logFile)) renameSync(logFile, `${logFile}.1`);
    log = openSync(logFile, 'w', 0o600);
  } catch (error) {
    throw folderProblem(logFile, error);
  }
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      codeFile('cli/main'),
      'up',
      '--home',
      home,
      '--scoring-workers',
      String(options.scoringWorkers),
      ...(options.temporal === undefined ? [] : ['--temporal', options.temporal]),
      ...(options.namespace === undefined ? [] : ['--namespace', options.namespace]),
    ],
    { env: stackEnv(context, options), stdio: ['ignore', log, log], detached: true },
  );
  closeSync(log);
  return { child, logFile };
}

export async function down(context: Context): Promise<Output> {
  const { home } = context.config;
  const owner = lockOwner(home);
  if (!owner || !isAlive(owner)) {
    // Of one that was killed: its workers are gone.
    dropTargets(home);
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
  ui: state.ui ?? null,
  app: state.app ?? null,
  env: { ...state.env, FLEETSCORE_SQL_URL: redact(state.env.FLEETSCORE_SQL_URL ?? '') },
});

function describe(state: StackState): string {
  return facts([
    ['Application', state.app === undefined ? undefined : pc.cyan(state.app)],
    ['Temporal UI', state.ui === undefined ? undefined : pc.cyan(state.ui)],
    [
      'Temporal',
      state.outside
        ? `${state.env.TEMPORAL_ADDRESS}, namespace ${state.env.TEMPORAL_NAMESPACE}; run by somebody else`
        : state.env.TEMPORAL_ADDRESS,
    ],
    ['Event Hubs', state.env.FLEETSCORE_EVENT_HUBS_CONNECTION_STRING],
    ['SQL', redact(state.env.FLEETSCORE_SQL_URL ?? '')],
    ['Blob', state.env.FLEETSCORE_BLOB_CONNECTION_STRING?.match(/BlobEndpoint=([^;]*)/)?.[1]],
    ['Process', state.supervisor.pid],
  ]);
}
