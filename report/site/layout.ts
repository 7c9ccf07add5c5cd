/**
 * The frame of every page of the site. All addresses are relative and end in a file's name, so the pages work
 * from a disk and from any web server; the policy allows the site's own script and style and nothing else.
 */
import { embedJson, html, trusted, type Markup, type MarkupValue } from '../page/markup.ts';
import { ASSETS, toTop } from './paths.ts';

/**
 * `'self'` is the server that the page comes from. Read from a disk a page has no server: Firefox matches
 * nothing then, hence `file:`, which a page from a server cannot load anyway.
 */
export const SITE_POLICY =
  "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src data:; base-uri 'none'; form-action 'none'";

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20'%3E%3Cpath d='M1 13l4-3 3 4 4-10 3 6h4' fill='none' stroke='%233a6f9f' stroke-width='2' stroke-linejoin='round'/%3E%3Ccircle cx='12' cy='4' r='2.6' fill='%23cf3d1b'/%3E%3C/svg%3E";
const LOGO =
  '<svg viewBox="0 0 20 20" aria-hidden="true"><path class="g1" d="M1 13l4-3 3 4 4-10 3 6h4"/><circle class="g2" cx="12" cy="4" r="2.6"/></svg>';

export interface Tab {
  readonly name: string;
  /** Relative to the page. */
  readonly href: string;
  readonly current?: boolean;
  /** Shown behind the name. */
  readonly count?: string;
}

export interface SitePage {
  readonly title: string;
  /** Folders between the top of the site and the page. */
  readonly depth: number;
  /** From the fleet to here; the last one is the page itself. */
  readonly crumbs: readonly { readonly name: string; readonly href?: string }[];
  readonly heading: MarkupValue;
  readonly facts?: MarkupValue;
  readonly tabs?: readonly Tab[];
  /** Below the tabs: tiles and notes. */
  readonly head?: MarkupValue;
  readonly body: MarkupValue;
  /** Read by the script. */
  readonly data?: object;
  /** Keys that the page answers to, for the footer. */
  readonly keys?: MarkupValue;
}

/** Pure: the same page gives the same bytes. */
export function renderPage(page: SitePage): string {
  const top = toTop(page.depth);
  const home = `${top}index.html`;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${trusted(SITE_POLICY)}">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer"><title>${page.title}</title>
<link rel="icon" href="${trusted(ICON)}"><link rel="stylesheet" href="${top + ASSETS.style.path}"><script defer src="${top + ASSETS.script.path}"></script></head><body>
<a class="skip" href="#main">Skip to the content</a>
<header><nav class="bar" aria-label="Where you are"><a class="brand" href="${home}">${trusted(LOGO)}fleetscore</a>${page.crumbs.length > 0 && html`<ol class="crumbs">${page.crumbs.map(({ name, href }) => html`<li>${href === undefined ? html`<span aria-current="page"><bdi>${name}</bdi></span>` : html`<a href="${href}"><bdi>${name}</bdi></a>`}</li>`)}</ol>`}</nav>
<h1>${page.heading}</h1>${page.facts}
${page.tabs && html`<nav class="tabs" aria-label="Pages">${page.tabs.map((tab) => html`<a href="${tab.href}"${tab.current && html` aria-current="page"`}>${tab.name}${tab.count !== undefined && html` <span class="n">${tab.count}</span>`}</a>`)}</nav>`}
${page.head}</header>
<main id="main" tabindex="-1">
${page.body}</main>
<footer><p>Made by fleetscore. Times in UTC.${page.keys !== undefined && html` Keys: ${page.keys}.`}</p></footer>
<div id="tip" hidden></div><div id="say" class="sr" aria-live="polite"></div>
<script type="application/json" id="data">${embedJson(page.data ?? {})}</script></body></html>
`.markup;
}

/** Keys of a heat map, and of charts, for the footer. */
export const HEAT_KEYS = html`in the heat map <kbd>←</kbd> <kbd>→</kbd> <kbd>↑</kbd> <kbd>↓</kbd> slice by slice, <kbd>n</kbd> <kbd>p</kbd> next and previous with anomalies, <kbd>Enter</kbd> opens`;
export const CHART_KEYS = html`in a chart <kbd>←</kbd> <kbd>→</kbd> window by window (<kbd>shift</kbd>: ten), <kbd>n</kbd> <kbd>p</kbd> next and previous anomaly`;
export const FIND_KEY = html`<kbd>/</kbd> filter; `;

export function tile(name: string, big: MarkupValue, small: MarkupValue, tone: '' | 'hot' | 'bad' | 'ok' = ''): Markup {
  return html`<div class="tile ${tone}"><dt>${name}</dt><dd class="big">${big}</dd><dd>${small}</dd></div>`;
}

export const tiles = (...all: readonly MarkupValue[]): Markup => html`<dl class="tiles">${all}</dl>`;

export function notes(lines: readonly MarkupValue[]): Markup | false {
  return lines.length > 0 && html`<div class="notes" role="note">${lines.map((line) => html`<p>${line}</p>`)}</div>`;
}

export interface Column {
  readonly title: string;
  readonly number?: boolean;
  /** Left out on a phone. */
  readonly optional?: boolean;
}

/** A section with a heading and a table that scrolls sideways by itself. */
export function tableSection(
  id: string,
  title: string,
  lead: MarkupValue,
  columns: readonly Column[],
  rows: readonly Markup[],
  empty: MarkupValue,
  list?: { readonly id: string; readonly tools: Markup },
): Markup {
  const head = columns.map(
    ({ title, number, optional }) =>
      html`<th scope="col" class="${[number && 'num', optional && 'opt'].filter(Boolean).join(' ')}">${title}</th>`,
  );
  const table = html`<div class="panel scroll" tabindex="0" role="region" aria-labelledby="${id}"><table${list && html` id="${list.id}"`}><thead><tr>${head}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
${lead !== '' && html`<p class="lead">${lead}</p>`}
${rows.length > 0 && list?.tools}${rows.length === 0 ? html`<div class="panel none">${empty}</div>` : table}</section>
`;
}

/** A bar of shares of a whole, 0 to 1 each, drawn one after another. */
export function meter(parts: readonly (readonly [tone: 1 | 2 | 3, share: number])[]): Markup {
  let x = 0;
  const drawn = parts.map(([tone, share]) => {
    const width = Math.max(0, Math.min(1 - x, share)) * 100;
    const path =
      width === 0
        ? ''
        : `<path class="m${tone}" d="M${(x * 100).toFixed(1)} 0h${width.toFixed(1)}v7h-${width.toFixed(1)}z"/>`;
    x += width / 100;
    return path;
  });
  return trusted(
    `<svg class="meter" viewBox="0 0 100 7" preserveAspectRatio="none" aria-hidden="true"><path class="m0" d="M0 0h100v7H0z"/>${drawn.join('')}</svg>`,
  );
}
