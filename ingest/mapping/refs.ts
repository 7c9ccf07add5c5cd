/**
 * References: where a reading's time, device, sensor, value or quality stands. Compiled once to a function of the item
 * in hand; each says for itself how it is written, so that errors can tell.
 */
import type { TimeUnit } from '../../domain/time.ts';
import { TIME_UNITS } from '../../domain/time.ts';
import type { EventFacts } from './facts.ts';
import { follow, member, parsePath, type Step } from './path.ts';

/** An object around an item, the nearest first. */
export interface Around {
  readonly value: unknown;
  /** Name or index of what is in hand within `value`. */
  readonly key: string | number;
  readonly up: Around | undefined;
}

/** What references look at. */
export interface Scope {
  item: unknown;
  /** Name of the member that the item is the value of, where `items` ends with `{}`. */
  key: string | undefined;
  around: Around | undefined;
  /** The body, or the element of the array that the body is. */
  root: unknown;
  facts: EventFacts;
}

export interface Ref {
  /** As it is written. */
  readonly text: string;
  /** Undefined where there is nothing, or null. */
  readonly get: (scope: Scope) => unknown;
  /** Of a property or the event itself: its numbers do not count in the unit of the body. */
  readonly ofEvent: boolean;
  /** What a number counts as a time; only where it is written behind the reference. */
  readonly unit?: TimeUnit;
  /** The member of the object around that it takes, with points in between: no sensor of its own. */
  readonly sibling?: string;
}

/** After "takes"; docs/payloads.md lists all forms. */
export const REF_FORMS =
  'a reference: a path such as body.ts, ^name of an object around, /path from the whole body, @annotation, ' +
  '#property, ' +
  '$enqueued, $partitionKey, $key or =constant (docs/payloads.md)';

/** @returns the reference, or what is wrong with it */
export function parseRef(text: string, anyCase: boolean): Ref | string {
  if (text.startsWith('=')) return text === '=' ? 'a constant needs a text' : fixed(text);
  const [, source = '', operation] = /^(.*?)(?:\|(s|ms|us|ns|part \S+ -?[1-9]\d{0,3}))?$/s.exec(text) ?? [];
  const base = source.includes('{') ? template(source, anyCase) : simple(source, anyCase);
  if (typeof base === 'string') return base;
  if (operation === undefined) return { ...base, text };
  const unit = TIME_UNITS.find((name) => name === operation);
  return unit ? { ...base, text, unit } : { ...base, text, get: partOf(base, operation) };
}

function fixed(text: string): Ref {
  const value = text.slice(1);
  return { text, get: () => value, ofEvent: true };
}

function simple(text: string, anyCase: boolean): Ref | string {
  switch (text) {
    case '':
      return 'it is empty';
    case '.':
      return { text, get: ({ item }) => item ?? undefined, ofEvent: false };
    case '$enqueued':
      return { text, get: ({ facts }) => facts.enqueuedMs, ofEvent: true, unit: 'ms' };
    case '$partitionKey':
      return { text, get: ({ facts }) => facts.partitionKey, ofEvent: true };
    case '$key':
      return { text, get: ({ key }) => key, ofEvent: false };
  }
  const name = text.slice(1);
  if (text[0] === '@' && name) return { text, get: ({ facts }) => facts.system(name), ofEvent: true };
  if (text[0] === '#' && name) return { text, get: ({ facts }) => facts.property(name), ofEvent: true };
  if (text[0] === '$') return 'there is no such word; it takes $enqueued, $partitionKey or $key';
  const outside = text[0] === '^' || text[0] === '/';
  const steps = parsePath(outside ? name : text);
  if (typeof steps === 'string') return steps;
  if (steps.length === 0) return 'it names nothing';
  if (steps.some(({ kind }) => kind !== 'member' && kind !== 'index'))
    return '[], {} and | stand in "items" only: a reference names one value';
  if (text[0] === '/') return { text, get: ({ root }) => follow(root, steps, anyCase), ofEvent: false };
  if (text[0] === '^') return around(text, steps, anyCase);
  return { text, get: ({ item }) => follow(item, steps, anyCase), ofEvent: false };
}

function around(text: string, steps: readonly Step[], anyCase: boolean): Ref | string {
  const [first, ...rest] = steps;
  if (first?.kind !== 'member') return '^ needs a name behind it';
  const { name } = first;
  return {
    text,
    ofEvent: false,
    sibling: steps.map((step) => (step.kind === 'member' ? step.name : '')).join('.'),
    get({ around: nearest }) {
      for (let at = nearest; at !== undefined; at = at.up) {
        if (Array.isArray(at.value)) continue;
        const found = member(at.value, name, anyCase);
        if (found !== undefined) return rest.length === 0 ? found : follow(found, rest, anyCase);
      }
      return undefined;
    },
  };
}

/** `{^site}.{$key}`: the references in braces with what stands between; nothing when one of them is absent. */
function template(text: string, anyCase: boolean): Ref | string {
  const parts: (Ref | string)[] = [];
  for (const [whole, inner] of text.matchAll(/\{([^{}]*)\}|[^{}]+/g)) {
    if (inner === undefined) {
      parts.push(whole);
      continue;
    }
    const ref = simple(inner, anyCase);
    if (typeof ref === 'string') return `{${inner}}: ${ref}`;
    parts.push(ref);
  }
  if (text.replace(/\{[^{}]*\}/g, '').match(/[{}]/)) return 'its braces do not match';
  return {
    text,
    ofEvent: false,
    get(scope) {
      let joined = '';
      for (const part of parts) {
        const value = typeof part === 'string' ? part : nameText(part.get(scope));
        if (typeof value !== 'string') return undefined;
        joined += value;
      }
      return joined;
    },
  };
}

/** Whole numbers are names as well: OPC UA numbers its writers. Anything else is left as it is. */
export const nameText = (value: unknown): unknown =>
  typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value)) ? String(value) : value;

/** `part / 4`: the fourth part between separators; -1 is the last. */
function partOf(ref: Ref, operation: string): Ref['get'] {
  const [, separator = '', number = '1'] = operation.split(' ');
  const index = Number(number) > 0 ? Number(number) - 1 : Number(number);
  return (scope) => {
    const value = ref.get(scope);
    if (typeof value !== 'string') return undefined;
    return value.split(separator).at(index) || undefined;
  };
}

/** The first of them that finds something. */
export function pick(refs: readonly Ref[], scope: Scope): unknown {
  for (const ref of refs) {
    const found = ref.get(scope);
    if (found !== undefined) return found;
  }
  return undefined;
}
