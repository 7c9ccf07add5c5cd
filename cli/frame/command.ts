/**
 * The frame around every command: context, output, exit code. 0: done; 1: it failed, or what it looked at
 * did; 2: it was called the wrong way. With --json a result is one JSON document on stdout, an error one on stderr.
 * What a command works with is loaded when it is called, so that help and version cost nothing of it.
 */
import type { ErrorCode } from '../../domain/error-codes.ts';
import type { Command } from 'commander';
import pc from 'picocolors';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import type { Context, GlobalOptions } from './context.ts';
import { say, sayJson, sayWithKeys, tell, tellJson } from './terminal.ts';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** Of what somebody gave: an argument, a setting, a file of settings. */
const USAGE_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'INVALID_ARGUMENT',
  'INVALID_CONFIG',
  'INVALID_DURATION',
  'INVALID_FLAG',
  'INVALID_LIMITS',
  'INVALID_MAPPING',
  'INVALID_NAME',
  'INVALID_PAYLOAD_KEYS',
  'INVALID_POOLS',
  'INVALID_RELEASE',
  'INVALID_REQUEST',
  'INVALID_SIZES',
  'INVALID_TIME',
  'INVALID_ZONE',
  'STORE_URL_INVALID',
]);

/** What a command gives back: text for people, data for programs. */
export interface Output {
  readonly text: string;
  readonly data: unknown;
  readonly exitCode?: number;
  /** Keys in it are there to be copied: those of the laptop stack, which answers on this machine alone. */
  readonly withKeys?: true;
}

/** What a command does: it gets what it works with, its options and its arguments, and gives back what to print. */
type Work = (context: Context, options: never, ...args: never[]) => Promise<Output | undefined>;

/** The action of a command: the function `name` of a module that is loaded when the command is called. */
export function does<K extends string, M extends Readonly<Record<K, Work>>>(
  load: () => Promise<M>,
  name: K,
): (...all: unknown[]) => Promise<void> {
  return async (...all) => {
    const command = all[all.length - 1] as Command;
    const options = command.optsWithGlobals<GlobalOptions>();
    await run(options, async (context) =>
      (await load())[name](context, options as never, ...(all.slice(0, -2) as never[])),
    );
  };
}

async function run(options: GlobalOptions, work: (context: Context) => Promise<Output | undefined>): Promise<void> {
  let context: Context | undefined;
  try {
    const { openContext } = await import('./context.ts');
    context = openContext(options);
    const output = await work(context);
    if (output) print(output, options);
  } catch (error) {
    await report(error, options.json ?? false);
  } finally {
    saidAll = true;
    await context?.close();
  }
}

function print(output: Output, { json }: GlobalOptions): void {
  if (output.withKeys) sayWithKeys(json ? JSON.stringify(output.data, null, 2) : output.text);
  else if (json) sayJson(output.data);
  else say(output.text);
  if (output.exitCode !== undefined) process.exitCode = output.exitCode;
}

/**
 * An error as the user sees it. Where in the code it came from is for those who mend it: FLEETSCORE_LOG_LEVEL=debug.
 */
export async function report(error: unknown, json: boolean): Promise<void> {
  const known = error instanceof FleetscoreError ? error : (await import('./foreign-errors.ts')).toldInOurWords(error);
  const code = known instanceof FleetscoreError ? known.code : 'INTERNAL';
  const message = messageOf(known);
  if (json) tellJson({ error: { code, message } });
  else tell(`${pc.red('error:')} ${message}`);
  if (process.env.FLEETSCORE_LOG_LEVEL === 'debug' && error instanceof Error) tell(error.stack ?? '');
  process.exitCode = USAGE_CODES.has(code) ? EXIT_USAGE : EXIT_FAILED;
}

let saidAll = false;

/**
 * A fault outside of what a command waits for. Once it has said all, such as a call that was given up and is tried
 * again on a connection that is closed, it is no news.
 */
export async function reportFault(error: unknown, json: boolean): Promise<void> {
  if (!saidAll) await report(error, json);
  process.exit();
}

/**
 * Ends a command whose result nobody takes. A reader that has seen enough, such as `| head`, is no error. Another one
 * is, also after the command has said all: a file on a full disk would be short without a word.
 */
export async function outputLost(error: NodeJS.ErrnoException, json: boolean): Promise<void> {
  if (error.code !== 'EPIPE') {
    const why = `What this command says could not be written to standard output (${error.message}).`;
    await report(
      new FleetscoreError('FILE_UNWRITABLE', `${why} Make room where it goes; what was done is done.`),
      json,
    );
  }
  process.exit();
}

/** How long what is left may take once a command has said all. */
const LINGER_MS = 2_000;

/**
 * Ends the process some time after the command: what still waits for a server that is gone does not keep it. Output
 * that a slow reader has not taken yet does.
 */
export function endSoon(): void {
  const waiting = (): boolean => process.stdout.writableLength > 0 || process.stderr.writableLength > 0;
  setInterval(() => {
    if (!waiting()) process.exit();
  }, LINGER_MS).unref();
}
