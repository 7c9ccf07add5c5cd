/**
 * Walks a body along the path `items` of a form and hands over each item with what stands around it. Bounded: the
 * number of items by the caller, nesting of `{**}` here, texts inside of texts by the size of the whole body.
 */
import { shown } from '../../domain/describe.ts';
import type { EventFacts } from './facts.ts';
import { member, type Step } from './path.ts';
import type { Around, Scope } from './refs.ts';
import { resolveSenml } from './senml.ts';

export interface Walk {
  readonly steps: readonly Step[];
  readonly anyCase: boolean;
  readonly facts: EventFacts;
  /** JSON text within a text -> value; throws an Error that says what is wrong. */
  readonly parse: (text: string) => unknown;
  /** One item; false ends the walk. `name`: with `{}`, of the member, with points in between where it is deep. */
  readonly onItem: (item: unknown, name: string | undefined, around: Around | undefined) => boolean;
  /** Something on the way cannot be read. */
  readonly onProblem: (message: string) => void;
}

/** Objects in objects that `{**}` goes into. */
const MAX_DEPTH = 16;

export function expand(walk: Walk, root: unknown): void {
  step(walk, 0, root, undefined);
}

/** False ends the walk. */
function step(walk: Walk, at: number, value: unknown, around: Around | undefined): boolean {
  const { steps } = walk;
  let current = value;
  let frame = around;
  for (let i = at; i < steps.length; i++) {
    const now = steps[i]!;
    switch (now.kind) {
      case 'member':
      case 'index': {
        const key = now.kind === 'member' ? now.name : now.index;
        const next = typeof key === 'string' ? member(current, key, walk.anyCase) : elementOf(current, key);
        if (next === undefined || next === null) return true;
        frame = { value: current, key, up: frame };
        current = next;
        break;
      }
      case 'each':
        return each(walk, i + 1, current, frame);
      case 'members':
        return members(walk, current, frame, now.deep ? '' : undefined, 0);
      default: {
        const read = readInside(walk, now.kind, current, frame);
        if (read === undefined) return true;
        current = read;
      }
    }
  }
  return walk.onItem(current, undefined, frame);
}

const elementOf = (value: unknown, index: number): unknown =>
  Array.isArray(value) ? (value as unknown[])[index] : undefined;

/** Each element; what is no array counts as one element, as a NetworkMessage of OPC UA with one message has it. */
function each(walk: Walk, next: number, value: unknown, frame: Around | undefined): boolean {
  if (!Array.isArray(value)) return step(walk, next, value, frame);
  for (let i = 0; i < value.length; i++)
    if (!step(walk, next, (value as unknown[])[i], { value, key: i, up: frame })) return false;
  return true;
}

function members(
  walk: Walk,
  value: unknown,
  frame: Around | undefined,
  prefix: string | undefined,
  depth: number,
): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    walk.onProblem(`${placeOf(frame)} must be an object with a sensor in each member, got ${shown(value)}`);
    return true;
  }
  for (const key of Object.keys(value)) {
    const inner = (value as Record<string, unknown>)[key];
    const around: Around = { value, key, up: frame };
    const name = prefix === undefined ? key : prefix + key;
    const goesOn = prefix !== undefined && typeof inner === 'object' && inner !== null && !Array.isArray(inner);
    if (goesOn && depth >= MAX_DEPTH) {
      walk.onProblem(`${placeOf(around)} is nested more than ${MAX_DEPTH} objects deep`);
      continue;
    }
    const all = goesOn ? members(walk, inner, around, `${name}.`, depth + 1) : walk.onItem(inner, name, around);
    if (!all) return false;
  }
  return true;
}

/** Undefined when it cannot be read, which is told. */
function readInside(walk: Walk, kind: 'json' | 'senml', value: unknown, frame: Around | undefined): unknown {
  if (kind === 'senml') {
    const records = resolveSenml(value, walk.facts.enqueuedMs);
    if (typeof records !== 'string') return records;
    walk.onProblem(records);
    return undefined;
  }
  if (typeof value !== 'string') {
    if (typeof value === 'object' && value !== null) return value;
    walk.onProblem(`${placeOf(frame)} must be JSON, or JSON in a text or in base64, got ${shown(value)}`);
    return undefined;
  }
  try {
    // IoT Hub, Event Grid and CloudEvents put bytes into JSON as base64, which never begins with a brace or bracket.
    return walk.parse(/^\s*[[{]/.test(value) ? value : Buffer.from(value, 'base64').toString('utf8'));
  } catch (error) {
    walk.onProblem(`${placeOf(frame)}: ${(error as Error).message}`);
    return undefined;
  }
}

/** `Messages[1].Payload.temperature`, for messages. */
export function placeOf(around: Around | undefined): string {
  const keys: (string | number)[] = [];
  for (let at = around; at !== undefined; at = at.up) keys.unshift(at.key);
  if (keys.length === 0) return 'the body';
  return keys
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${key.slice(0, 60)}`))
    .join('');
}

export const scopeOf = (root: unknown, facts: EventFacts): Scope => ({
  item: root,
  key: undefined,
  around: undefined,
  root,
  facts,
});
