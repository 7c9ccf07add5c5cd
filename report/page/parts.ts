/** The small parts that pages are made of: tiles, chips, cells, links, tables. Pure. */
import { html, trusted, type Markup, type MarkupValue } from './markup.ts';

export const ICON = trusted(
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20'%3E" +
    "%3Cpath d='M1 13l4-3 3 4 4-10 3 6h4' fill='none' stroke='%233a6f9f' stroke-width='2' stroke-linejoin='round'/%3E" +
    "%3Ccircle cx='12' cy='4' r='2.6' fill='%23cf3d1b'/%3E%3C/svg%3E",
);
export const LOGO = trusted(
  '<svg viewBox="0 0 20 20" aria-hidden="true"><path class="g1" d="M1 13l4-3 3 4 4-10 3 6h4"/>' +
    '<circle class="g2" cx="12" cy="4" r="2.6"/></svg>',
);

/** What stands in the head of every page, but for its own style and script. */
export function documentHead(policy: string, title: MarkupValue, icon: Markup = ICON): Markup {
  return html`
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${trusted(policy)}">
    <meta name="viewport" content="width=device-width,initial-scale=1">
    <meta name="referrer" content="no-referrer">
    <title>${title}</title>
    <link rel="icon" href="${icon}">`;
}

export type Tone = '' | 'hot' | 'bad' | 'ok';

/** A figure with its name above and what it means below. */
export function tile(name: string, big: MarkupValue, small: MarkupValue, tone: Tone = ''): Markup {
  return html`
    <div class="tile ${tone}">
      <dt>${name}</dt>
      <dd class="big">${big}</dd>
      <dd>${small}</dd>
    </div>`;
}

export const tiles = (...all: readonly MarkupValue[]): Markup => html`<dl class="tiles">${all}</dl>`;

/** Lines that a reader should see before the rest; nothing when there are none. */
export function notes(lines: readonly MarkupValue[]): Markup | false {
  return lines.length > 0 && html`<div class="notes" role="note">${lines.map((line) => html`<p>${line}</p>`)}</div>`;
}

/** A word on a coloured ground. @param kind the class that colours it */
export const chip = (kind: string, text: MarkupValue = kind): Markup => html`<span class="chip ${kind}">${text}</span>`;

/** A name from outside, whatever its direction of writing. */
export const nameOf = (text: string): Markup => html`<bdi>${text}</bdi>`;

export const code = (text: MarkupValue): Markup => html`<span class="mono">${text}</span>`;

/** A link, or the content alone where there is no address. */
export function linked(href: string | undefined, content: MarkupValue): MarkupValue {
  return href === undefined ? content : html`<a href="${href}">${content}</a>`;
}

/** A figure that is coloured when it is not zero. */
export function toned(tone: 'hot' | 'bad', value: number, text: string): Markup {
  return html`<span class="${value > 0 && tone}">${text}</span>`;
}

/**
 * A cell. @param kind classes: `num` a number, `nw` not broken, `msg` a sentence, `name`, `mono`, `opt` left out on a
 * phone
 */
export const cell = (kind: string, content: MarkupValue): Markup => html`<td class="${kind}">${content}</td>`;

export const numberCell = (content: MarkupValue): Markup => cell('num', content);

/** A row; cells that are false are left out. */
export const row = (...cells: readonly MarkupValue[]): Markup => html`<tr>${cells}</tr>`;

export interface Column {
  readonly title: string;
  readonly number?: boolean;
  /** Left out on a phone. */
  readonly optional?: boolean;
}

/** The columns that are not left out. */
export const columns = (...all: readonly (Column | false)[]): Column[] => all.filter((column) => column !== false);

/** A table in a panel that scrolls sideways by itself, named by the heading with this id. */
export function scrollTable(
  headingId: string,
  head: readonly Column[],
  rows: readonly Markup[],
  table: { readonly id?: string; readonly kind?: string } = {},
): Markup {
  const cells = head.map(
    ({ title, number, optional }) =>
      html`<th scope="col" class="${[number && 'num', optional && 'opt'].filter(Boolean).join(' ')}">${title}</th>`,
  );
  return html`
    <div class="panel scroll" tabindex="0" role="group" aria-labelledby="${headingId}">
      <table${table.id !== undefined && html` id="${table.id}"`}${table.kind !== undefined && html` class="${table.kind}"`}>
        <thead><tr>${cells}</tr></thead>
        <tbody>${rows}</tbody>
      </table>
    </div>`;
}

/** A section under a heading. @param lead a sentence below it */
export function section(id: string, title: MarkupValue, lead: MarkupValue, content: MarkupValue): Markup {
  return html`
    <section aria-labelledby="${id}">
      <h2 id="${id}">${title}</h2>
      ${lead !== '' && html`<p class="lead">${lead}</p>`}
      ${content}
    </section>
`;
}

/** What a page says where scripts are off. */
export const NO_SCRIPT = html`
  <noscript>
    <p class="notes">Charts are drawn by this page's script, which is switched off here. Everything else is complete.</p>
  </noscript>`;
