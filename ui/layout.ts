/**
 * The frame of every page of the application: where one is, whether what is shown is fresh, and the content. All of it
 * is complete without a script, which only adds local times, keys, and a fresh look every few seconds. Pure.
 */
import { embedJson, html, type Markup, type MarkupValue } from '../report/page/markup.ts';
import { ICON, LOGO, nameOf } from '../report/page/parts.ts';
import { formatMs } from '../report/format.ts';
import { VERSION } from '../version.ts';
import { CHARTS, SCRIPT, STYLE } from './assets.ts';
import type { Answer } from '../domain/answer.ts';
import type { Freshness } from './look/fresh.ts';
import { time } from './time.ts';

const TABS = [
  ['now', 'Now', '/'],
  ['alarms', 'Alarms', '/alarms'],
  ['devices', 'Devices', '/devices'],
  ['batches', 'Batches', '/batches'],
  ['files', 'Files', '/files'],
  ['log', 'Log', '/log'],
] as const;
export type Tab = (typeof TABS)[number][0];

export interface AppPage {
  readonly title: string;
  readonly tab?: Tab;
  /** From the tab to here; the last one is the page itself. */
  readonly crumbs?: readonly { readonly name: string; readonly href?: string }[];
  readonly heading: MarkupValue;
  readonly head?: MarkupValue;
  readonly body: MarkupValue;
  readonly fresh: Answer<Freshness>;
  readonly nowMs: number;
  /** Said once, after an action. */
  readonly said?: { readonly text: MarkupValue; readonly bad: boolean };
  /** The page is looked at again every so many seconds. */
  readonly liveSeconds?: number;
  /** Read by the script of the charts. */
  readonly charts?: object;
  /** Keys that the page answers to besides those of every page. */
  readonly keys?: MarkupValue;
}

function documentOf(title: string, scripts: MarkupValue, body: Markup): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width,initial-scale=1">
        <title>${title} – fleetscore</title>
        <link rel="icon" href="${ICON}">
        <link rel="stylesheet" href="${STYLE.path}">
        ${scripts}
      </head>
      ${body}
    </html>
`.markup;
}

export function renderApp(page: AppPage): string {
  const scripts = html`
    <script defer src="${SCRIPT.path}"></script>
    ${page.charts !== undefined && html`<script type="module" src="${CHARTS.path}"></script>`}`;
  return documentOf(
    page.title,
    scripts,
    html`
      <body${page.liveSeconds !== undefined && html` data-live="${page.liveSeconds}"`}>
        <a class="skip" href="#main">Skip to the content</a>
        <header class="app">
          <div class="top">
            <a class="brand" href="/">${LOGO}fleetscore</a>
            <nav class="tabs" aria-label="Pages">${TABS.map((tab) => tabLink(tab, page.tab))}</nav>
            <div id="fresh" class="fresh" data-part>${freshText(page.fresh, page.nowMs)}</div>
          </div>
        </header>
        <main id="main" tabindex="-1">
          ${page.crumbs && crumbList(page.crumbs)}
          <h1>${page.heading}</h1>
          ${page.said && html`<p class="said ${page.said.bad && 'bad'}" role="status">${page.said.text}</p>`}
          ${page.head}
          ${page.body}
        </main>
        <footer>
          <p>
            fleetscore ${VERSION}. <span id="zone">Times in UTC.</span>${' '}
            <span id="keys" hidden>
              Keys: <kbd>/</kbd> search, <kbd>j</kbd> <kbd>k</kbd> next and previous row${page.keys !== undefined && html`, ${page.keys}`}.
              <button type="button" id="keys-off" class="link">Switch keys off</button>
            </span>
          </p>
        </footer>
        <div id="tip" hidden></div>
        <div id="say" class="sr" aria-live="polite"></div>
        ${page.charts !== undefined && html`<script type="application/json" id="data">${embedJson(page.charts)}</script>`}
      </body>`,
  );
}

/** A page without a way around, for those who are not let in, and for trouble. */
export function barePage(title: string, content: MarkupValue): string {
  return documentOf(
    title,
    false,
    html`
      <body>
        <header class="app"><div class="top"><a class="brand" href="/">${LOGO}fleetscore</a></div></header>
        <main id="main"><h1>${title}</h1>${content}</main>
      </body>`,
  );
}

function tabLink([tab, name, href]: (typeof TABS)[number], current: Tab | undefined): Markup {
  return html`<a href="${href}"${tab === current && html` aria-current="page"`}>${name}</a>`;
}

function crumbList(crumbs: NonNullable<AppPage['crumbs']>): Markup {
  const items = crumbs.map(({ name, href }) =>
    href === undefined
      ? html`<li><span aria-current="page">${nameOf(name)}</span></li>`
      : html`<li><a href="${href}">${nameOf(name)}</a></li>`,
  );
  return html`<nav aria-label="Where you are"><ol class="crumbs">${items}</ol></nav>`;
}

/** `As of 12:15. Next batch 12:30.` */
function freshText({ value, problem }: Answer<Freshness>, nowMs: number): Markup {
  if (value === undefined) return html`<span class="dot bad"></span><b class="bad">No data:</b> ${problem}`;
  if (value.kind === 'none') return html`<span class="dot"></span>Nothing was scored yet`;
  const asOf = value.asOfMs === undefined ? html`Nothing was scored yet` : html`As of <b>${time(value.asOfMs)}</b>`;
  const next = value.nextMs !== undefined && html`, next due ${time(value.nextMs)}`;
  switch (value.kind) {
    case 'fresh':
      return html`<span class="dot ok"></span><span>${asOf}${next}</span>`;
    case 'running':
      return html`<span class="dot run"></span><span>${asOf}, a batch is running${next}</span>`;
    case 'unknown':
      return html`
        <span class="dot warn"></span>
        <span>${asOf}. <b class="warn">Not known what is due</b>: Temporal does not answer</span>`;
    case 'overdue':
      return html`
        <span class="dot bad"></span>
        <span>
          <b class="bad">Overdue</b> since ${time(value.overdueMs!)} (${formatMs(nowMs - value.overdueMs!)}):${' '}
          <a href="/batches">${value.schedule}</a>. ${asOf}
        </span>`;
    case 'paused':
      return html`
        <span class="dot warn"></span>
        <span>${asOf}. Schedule <a href="/batches">${value.schedule}</a> is <b class="warn">paused</b></span>`;
    default:
      return html`<span class="dot warn"></span><span>${asOf}. <b class="warn">No schedule</b>: nothing is due</span>`;
  }
}
