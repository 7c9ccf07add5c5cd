/**
 * HTML that is safe by construction: a template escapes every value that is not markup already, so a
 * hostile name can only ever be text. Data for the page's script is JSON that cannot end its element.
 */
import { harmless } from '../text-width.ts';

export interface Markup {
  readonly markup: string;
}

export type MarkupValue = string | number | Markup | false | undefined | readonly MarkupValue[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/** Text for element content and quoted attributes; control characters and broken Unicode are replaced. */
export function escapeText(text: string): string {
  return harmless(text).replace(/[&<>"'`]/g, (c) => ESCAPES[c]!);
}

function toMarkup(value: MarkupValue): string {
  if (value === false || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return escapeText(value);
  if ('markup' in value) return value.markup;
  return value.map(toMarkup).join('');
}

/** Templates without the layout of the source, by their literals, which are the same object at every call. */
const COMPACT = new WeakMap<TemplateStringsArray, readonly string[]>();

/**
 * Tagged template: literals are markup, values are escaped unless they are {@link Markup}; false is nothing. A line
 * break with the indentation after it is layout of the source and no part of the page, so that a template can be
 * written an element a line: text that needs a space at a line's end says `${' '}`.
 */
export function html(literals: TemplateStringsArray, ...values: readonly MarkupValue[]): Markup {
  let parts = COMPACT.get(literals);
  if (!parts) {
    parts = literals.map((literal) => literal.replace(/\n[ \t]*/g, ''));
    COMPACT.set(literals, parts);
  }
  let out = parts[0]!;
  for (let i = 0; i < values.length; i++) out += toMarkup(values[i]) + parts[i + 1]!;
  return { markup: out };
}

/** Trusted text of our own, taken as it is. */
export function trusted(markup: string): Markup {
  return { markup };
}

/** JSON for a `<script type="application/json">`: holds no `<`, `>`, `&` and no line separators. */
export function embedJson(value: unknown): Markup {
  const text = JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return { markup: text };
}
