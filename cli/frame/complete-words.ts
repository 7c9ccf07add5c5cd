/**
 * What may follow the words of a command line, from the tree of commands alone: names of commands and options, choices,
 * and which kind of name is asked for. Kinds go by the value names of arguments and options, such as `<batch>`.
 */
import type { Argument, Command, Option } from 'commander';

/** The hidden command that the scripts of `completion` call. */
export const COMPLETE = '__complete';

export type NameKind = 'alarm' | 'batch' | 'device/sensor' | 'device' | 'schedule' | 'release';

export type Possible =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'names'; readonly of: NameKind }
  | { readonly kind: 'files' }
  | { readonly kind: 'nothing' };

const KINDS: ReadonlySet<string> = new Set<NameKind>([
  'alarm',
  'batch',
  'device/sensor',
  'device',
  'schedule',
  'release',
]);
const FILES = /^(?:file|dir|folder|out)$/;
const NOTHING: Possible = { kind: 'nothing' };

/** @param words those after the name of the program; the last is the one being typed, perhaps empty */
export function possibleWords(program: Command, words: readonly string[]): Possible {
  let command = program;
  let taken = 0;
  let pending: Option | undefined;
  for (const word of words.slice(0, -1)) {
    const wasValue = pending !== undefined;
    pending = wasValue ? undefined : pending;
    if (wasValue) continue;
    if (word.startsWith('-')) pending = word.includes('=') ? undefined : valued(command, word);
    else {
      const next = command.commands.find((child) => child.name() === word);
      if (next) command = next;
      else taken += 1;
    }
  }
  if (pending) return ofValue(/[<[]([^>\].]+)/.exec(pending.flags)?.[1] ?? '', pending.argChoices);
  if (words.at(-1)?.startsWith('-')) return { kind: 'words', words: optionsOf(command) };
  if (command.commands.length > 0 && command.registeredArguments.length === 0)
    return { kind: 'words', words: namesOf(command) };
  const argument: Argument | undefined =
    command.registeredArguments[taken] ?? command.registeredArguments.findLast((one) => one.variadic);
  return argument ? ofValue(argument.name(), argument.argChoices) : { kind: 'words', words: optionsOf(command) };
}

function ofValue(name: string, choices: readonly string[] | undefined): Possible {
  if (choices) return { kind: 'words', words: choices };
  if (KINDS.has(name)) return { kind: 'names', of: name as NameKind };
  return FILES.test(name) ? { kind: 'files' } : NOTHING;
}

/** An option of the command, or of those above it, that takes a value. */
function valued(command: Command, word: string): Option | undefined {
  for (let at: Command | null = command; at; at = at.parent) {
    const found = at.options.find(({ short, long }) => word === short || word === long);
    if (found) return found.required || found.optional ? found : undefined;
  }
  return undefined;
}

function optionsOf(command: Command): string[] {
  const names: string[] = [];
  for (let at: Command | null = command; at; at = at.parent)
    for (const option of at.options) if (option.long) names.push(option.long);
  return [...names, '--help'];
}

const namesOf = (command: Command): string[] =>
  command.commands.map((child) => child.name()).filter((name) => name !== COMPLETE);
