/**
 * The frame around every command: context, output, exit code. 0: done; 1: it failed, or what it looked at
 * did; 2: it was called the wrong way. With --json a result is one JSON document on stdout, an error one on stderr.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { parseDuration, parseTime } from '../../domain/time.ts';
import { openContext, type Context, type GlobalOptions } from './context.ts';
import { say, sayJson, sayWithKeys, tell, tellJson } from './terminal.ts';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

const USAGE_CODES: ReadonlySet<string> = new Set([
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
    await context?.close();
  }
}

/** An error as the user sees it; a stack only for what is not meant for users. */
export function report(error: unknown, json: boolean): void {
  const known = error instanceof FleetscoreError;
  const code = known ? error.code : 'INTERNAL';
  if (json) tellJson({ error: { code, message: messageOf(error) } });
  else
    tell(
      `${pc.red('error:')} ${messageOf(error)}\n${known ? '' : `${(error as Error).stack?.split('\n').slice(1, 6).join('\n') ?? ''}\n`}`,
    );
  process.exitCode = known && USAGE_CODES.has(error.code) ? EXIT_USAGE : EXIT_FAILED;
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
