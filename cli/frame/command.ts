/**
 * The frame around every command: context, output, exit code. 0: done; 1: it failed, or what it looked at
 * did; 2: it was called the wrong way. With --json a result is one JSON document on stdout, an error one on stderr.
 */
import type { ErrorCode } from '../../domain/error-codes.ts';
import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { clientTrouble } from '../../connect/temporal-trouble.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { parseDuration, parseTime } from '../../domain/time.ts';
import { folderProblem } from '../../storage/folders.ts';
import { openContext, type Context, type GlobalOptions } from './context.ts';
import { say, sayJson, sayWithKeys, tell, tellJson } from './terminal.ts';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

const USAGE_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'INVALID_CONFIG',
  'INVALID_TIME',
  'INVALID_DURATION',
  'INVALID_NAME',
  'INVALID_REQUEST',
  'INVALID_ARGUMENT',
  'INVALID_LIMITS',
  'INVALID_ZONE',
]);

/** What a command gives back: text for people, data for programs. */
export interface Output {
  readonly text: string;
  readonly data: unknown;
  readonly exitCode?: number;
  /** Keys in it are there to be copied: those of the laptop stack, which answers on this machine alone. */
  readonly withKeys?: true;
}

/** Makes the action of a command out of a function that returns what to print. */
export function action<A extends unknown[], O extends object>(
  work: (context: Context, options: O & GlobalOptions, ...args: A) => Promise<Output | undefined>,
): (...all: unknown[]) => Promise<void> {
  return async (...all) => {
    const command = all[all.length - 1] as Command;
    const options = command.optsWithGlobals<O & GlobalOptions>();
    await run(options, (context) => work(context, options, ...(all.slice(0, -2) as A)));
  };
}

async function run(options: GlobalOptions, work: (context: Context) => Promise<Output | undefined>): Promise<void> {
  let context: Context | undefined;
  try {
    context = openContext(options);
    const output = await work(context);
    if (output) {
      if (output.withKeys) sayWithKeys(options.json ? JSON.stringify(output.data, null, 2) : output.text);
      else if (options.json) sayJson(output.data);
      else say(output.text);
      if (output.exitCode !== undefined) process.exitCode = output.exitCode;
    }
  } catch (error) {
    report(error, options.json ?? false);
  } finally {
    saidAll = true;
    await context?.close();
  }
}

/** An error as the user sees it. Where in the code it came from is for those who mend it: FLEETSCORE_LOG_LEVEL=debug. */
export function report(error: unknown, json: boolean): void {
  const known = told(error);
  const code = known instanceof FleetscoreError ? known.code : 'INTERNAL';
  const message = messageOf(known);
  if (json) tellJson({ error: { code, message } });
  else tell(`${pc.red('error:')} ${message}`);
  if (process.env.FLEETSCORE_LOG_LEVEL === 'debug' && error instanceof Error) tell(error.stack ?? '');
  process.exitCode = USAGE_CODES.has(code) ? EXIT_USAGE : EXIT_FAILED;
}

/** Trouble with Temporal or a file in words of ours, where it comes as the client or the system said it. */
function told(error: unknown): unknown {
  const trouble = clientTrouble(error);
  if (trouble) return trouble;
  const { path, code } = error as NodeJS.ErrnoException;
  if (typeof path !== 'string' || error instanceof FleetscoreError) return error;
  const wrong = (what: string): FleetscoreError => new FleetscoreError('FILE', what, { cause: error });
  if (code === 'ENOENT') return wrong(`there is no ${path}. Check the path.`);
  if (code === 'EISDIR') return wrong(`${path} is a folder, and a file is wanted. Name a file in it.`);
  if (code === 'ENOTDIR') return wrong(`${path} is no folder, or lies below a file. Check the path.`);
  if (code === 'EACCES' || code === 'EPERM')
    return wrong(`this user has no right to ${path} (${code}). Take the right, or name another place.`);
  return folderProblem(path, error);
}

let saidAll = false;

/**
 * A fault outside of what a command waits for. Once it has said all, such as a call that was given up and is tried
 * again on a connection that is closed, it is no news.
 */
export function reportFault(error: unknown, json: boolean): void {
  if (!saidAll) report(error, json);
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

/** Parsers of option values: a wrong one is a usage error that names it. */
export const asDuration = (text: string): string => parsed(() => (parseDuration(text), text));
export const asTime = (text: string): number => parsed(() => parseTime(text));

export function asWhole(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(
        `It takes a whole number from ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`}.`,
      );
    return value;
  };
}

export function asNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max))
      throw new InvalidArgumentError(`It takes a number from ${min} to ${max}.`);
    return value;
  };
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

/** `--from TIME` and `--to TIME`, as epoch milliseconds. */
export const fromOption = (text = 'start of the period, ISO 8601 (UTC when no zone is given)'): Option =>
  new Option('--from <time>', text).argParser(asTime);
export const toOption = (text = 'end of the period, not included'): Option =>
  new Option('--to <time>', text).argParser(asTime);
