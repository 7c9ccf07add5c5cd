/**
 * Paths into JSON, the part of JSONPath (RFC 9535, February 2024) that needs no search, without its `$.`: `a.b`,
 * `['a.b']`, `a[0]`; and, in `items`, `[]` for each element of an array, `{}` for each member of an object, `{**}` for
 * the members of members too, `|json` for JSON in a text, and `|senml` for a pack of RFC 8428.
 */

export type Step =
  | { readonly kind: 'member'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'each' }
  | { readonly kind: 'members'; readonly deep: boolean }
  | { readonly kind: 'json' | 'senml' };

const STEP =
  /(?:^|\.)([^.[\]{}|'"\s][^.[\]{}|'"]*)|\[(?:'((?:[^'\\]|\\.)+)'|(\d{1,9})|(\*?))\]|(\{\}|\{\*\*\})|\|(json|senml)\b/y;

/** The steps of a path; a text that says what is wrong with it. */
export function parsePath(text: string): readonly Step[] | string {
  const steps: Step[] = [];
  for (let at = 0; at < text.length; at = STEP.lastIndex) {
    STEP.lastIndex = at;
    const found = STEP.exec(text);
    if (!found) return `it cannot be read from ${JSON.stringify(text.slice(at, at + 20))} on`;
    steps.push(stepOf(found));
  }
  return steps;
}

function stepOf([, plain, quoted, index, , members, reads]: RegExpExecArray): Step {
  if (plain !== undefined) return { kind: 'member', name: plain.trimEnd() };
  if (quoted !== undefined) return { kind: 'member', name: quoted.replace(/\\(.)/g, '$1') };
  if (index !== undefined) return { kind: 'index', index: Number(index) };
  if (members !== undefined) return { kind: 'members', deep: members !== '{}' };
  return reads === undefined ? { kind: 'each' } : { kind: reads as 'json' };
}

/** Own member of an object that has a value; with `anyCase`, of a name that differs in case only. */
export function member(value: unknown, name: string, anyCase: boolean): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  const found = (value as Record<string, unknown>)[name];
  if (found !== undefined && found !== null && Object.hasOwn(value, name)) return found;
  return anyCase ? inAnyCase(value, name) : undefined;
}

function inAnyCase(value: object, name: string): unknown {
  const wanted = name.toLowerCase();
  for (const [key, found] of Object.entries(value) as [string, unknown][])
    if (key.length === name.length && found !== null && found !== undefined && key.toLowerCase() === wanted)
      return found;
  return undefined;
}

/** Follows members and indexes; undefined where there is nothing. */
export function follow(value: unknown, steps: readonly Step[], anyCase: boolean): unknown {
  let at: unknown = value;
  for (const step of steps) {
    if (step.kind === 'member') at = member(at, step.name, anyCase);
    else if (step.kind === 'index') at = Array.isArray(at) ? (at as unknown[])[step.index] : undefined;
    if (at === undefined || at === null) return undefined;
  }
  return at;
}
