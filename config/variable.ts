/**
 * One variable of the environment: its name, the type of its value, its default, and what it is for, told once. The
 * typed configuration, its errors, docs/configuration.md, `fleetscore config`, the list of secrets and the list of what
 * nodes of a pool get are all made from these.
 */
import type { Parse } from './values.ts';

export interface Variable<T = unknown> {
  readonly name: string;
  readonly parse: Parse<T>;
  /** The default, as one would write it. Absent: no default. */
  readonly preset?: string | undefined;
  /** The default in words, where it is computed: `one per core`. */
  readonly presetText?: string | undefined;
  /** What it is for, in whole sentences. */
  readonly about: string;
  /** Its value is never shown, logged or handed to programs of others. */
  readonly secret: boolean;
  /** Nodes of a pool on Azure get it from the control worker. Never true for a secret. */
  readonly handOn: boolean;
}

export interface Extra {
  readonly preset?: string;
  readonly presetText?: string;
  readonly secret?: true;
  readonly handOn?: true;
}

/** A variable that always has a value. */
export function variable<T>(
  name: string,
  parse: Parse<T>,
  extra: Extra & { readonly preset: string },
  about: string,
): Variable<T>;
/** A variable that may be absent. */
export function variable<T>(name: string, parse: Parse<T>, extra: Extra, about: string): Variable<T | undefined>;
export function variable<T>(name: string, parse: Parse<T>, extra: Extra, about: string): Variable<T | undefined> {
  const { preset, presetText, secret = false, handOn = false } = extra;
  return { name, parse, preset, presetText, about, secret, handOn };
}

/** Variables by the name that the code knows them by, in sections. */
export type Table = { readonly [key: string]: Variable | Table };

/** The values of a table. */
export type Values<T> = { readonly [K in keyof T]: T[K] extends Variable<infer V> ? V : Values<T[K]> };

const isVariable = (entry: Variable | Table): entry is Variable => typeof (entry as Variable).parse === 'function';

/** All variables of a table, in its order. */
export function variablesOf(table: Table): Variable[] {
  return Object.values(table).flatMap((entry) => (isVariable(entry) ? [entry] : variablesOf(entry)));
}

/**
 * The value of every variable of a table. An empty text counts as absent. Where a text is wrong, `problem` is called
 * and the value is undefined: the caller throws when there was one.
 */
export function valuesOf<T extends Table>(
  table: T,
  env: Readonly<Record<string, string | undefined>>,
  problem: (variable: Variable, takes: string) => void,
): Values<T> {
  const valueOf = (variable: Variable): unknown => {
    const text = env[variable.name] || variable.preset;
    if (text === undefined) return undefined;
    try {
      return variable.parse(text);
    } catch (error) {
      problem(variable, (error as Error).message);
      return undefined;
    }
  };
  return Object.fromEntries(
    Object.entries(table).map(([key, entry]) => [
      key,
      isVariable(entry) ? valueOf(entry) : valuesOf(entry, env, problem),
    ]),
  ) as Values<T>;
}
