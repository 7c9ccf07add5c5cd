/**
 * The frame of every page of the site. All addresses are relative and end in a file's name, so the pages work
 * from a disk and from any web server; the policy allows the site's own script and style and nothing else.
 */
import { embedJson, html, trusted, type Markup, type MarkupValue } from '../page/markup.ts';
import { documentHead, LOGO, nameOf, scrollTable, section, type Column } from '../page/parts.ts';
import { ASSETS, toTop } from './paths.ts';

/**
 * `'self'` is the server that the page comes from. Read from a disk a page has no server: Firefox matches
 * nothing then, hence `file:`, which a page from a server cannot load anyway.
 */
export const SITE_POLICY =
  "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src data:; base-uri 'none'; " +
  "form-action 'none'";

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
  return html`<!doctype html>
    <html lang="en">
      <head>
        ${documentHead(SITE_POLICY, page.title)}
        <link rel="stylesheet" href="${top + ASSETS.style.path}">
        <script defer src="${top + ASSETS.script.path}"></script>
      </head>
      <body>
        <a class="skip" href="#main">Skip to the content</a>
        ${pageHeader(page, `${top}index.html`)}
        <main id="main" tabindex="-1">${page.body}</main>
        <footer><p>Made by fleetscore. Times in UTC.${page.keys !== undefined && html` Keys: ${page.keys}.`}</p></footer>
        <div id="tip" hidden></div>
        <div id="say" class="sr" aria-live="polite"></div>
        <script type="application/json" id="data">${embedJson(page.data ?? {})}</script>
      </body>
    </html>
`.markup;
}

function pageHeader(page: SitePage, home: string): Markup {
  const crumbs = page.crumbs.map(({ name, href }) =>
    href === undefined
      ? html`<li><span aria-current="page">${nameOf(name)}</span></li>`
      : html`<li><a href="${href}">${nameOf(name)}</a></li>`,
  );
  return html`
    <header>
      <nav class="bar" aria-label="Where you are">
        <a class="brand" href="${home}">${LOGO}fleetscore</a>
        ${crumbs.length > 0 && html`<ol class="crumbs">${crumbs}</ol>`}
      </nav>
      <h1>${page.heading}</h1>
      ${page.facts}
      ${page.tabs && html`<nav class="tabs" aria-label="Pages">${page.tabs.map(tabLink)}</nav>`}
      ${page.head}
    </header>`;
}

function tabLink({ name, href, current, count }: Tab): Markup {
  return html`
    <a href="${href}"${current && html` aria-current="page"`}>
      ${name}
      ${count !== undefined && html` <span class="n">${count}</span>`}
    </a>`;
}

/** Keys of a heat map, and of charts, for the footer. */
export const HEAT_KEYS = html`
  in the heat map <kbd>←</kbd> <kbd>→</kbd> <kbd>↑</kbd> <kbd>↓</kbd> slice by slice,${' '}
  <kbd>n</kbd> <kbd>p</kbd> next and previous with anomalies, <kbd>Enter</kbd> opens`;
export const CHART_KEYS = html`
  in a chart <kbd>←</kbd> <kbd>→</kbd> window by window (<kbd>shift</kbd>: ten),${' '}
  <kbd>n</kbd> <kbd>p</kbd> next and previous anomaly`;
export const FIND_KEY = html`<kbd>/</kbd> filter; `;

export interface TableSection {
  /** Id of the heading. */
  readonly id: string;
  readonly title: string;
  /** A sentence below the heading. */
  readonly lead?: MarkupValue;
  readonly columns: readonly Column[];
  readonly rows: readonly Markup[];
  /** Stands there when there are no rows. */
  readonly empty?: MarkupValue;
  /** A table that can be filtered: its id, and the tools above it. */
  readonly list?: { readonly id: string; readonly tools: Markup };
}

/** A section with a heading and a table that scrolls sideways by itself. */
export function tableSection({ id, title, lead = '', columns, rows, empty = '', list }: TableSection): Markup {
  return section(
    id,
    title,
    lead,
    rows.length === 0
      ? html`<div class="panel none">${empty}</div>`
      : [list?.tools, scrollTable(id, columns, rows, list ? { id: list.id } : {})],
  );
}

/** A section that only says why there is nothing to show. */
export const emptySection = (content: MarkupValue): Markup =>
  html`<section><div class="panel none">${content}</div></section>`;

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
  const whole = '<path class="m0" d="M0 0h100v7H0z"/>';
  return trusted(
    '<svg class="meter" viewBox="0 0 100 7" preserveAspectRatio="none" ' +
      `aria-hidden="true">${whole}${drawn.join('')}</svg>`,
  );
}
