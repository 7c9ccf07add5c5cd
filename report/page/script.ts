/**
 * The script of the pages, as text: plain DOM, no library, runs from a file. It draws a chart when it comes
 * into view, from the embedded JSON; names and messages only ever go through textContent. A page that lacks
 * a part is left alone by it. The policy of the single page allows exactly this text, by hash; the pages of
 * the site load it as a file.
 */
import { CHART_SCRIPT } from './script-charts.ts';
import { FILTER_SCRIPT } from './script-filter.ts';
import { HEAT_SCRIPT } from './script-heat.ts';

const CORE = String.raw`const D = JSON.parse(document.getElementById('data').textContent);
const $ = (s, r) => (r || document).querySelector(s);
const $$ = (s, r) => Array.from((r || document).querySelectorAll(s));
const NS = 'http://www.w3.org/2000/svg';
const node = (name, attrs, text) => {
  const e = document.createElementNS(NS, name);
  for (const k in attrs) e.setAttribute(k, attrs[k]);
  if (text !== undefined) e.textContent = text;
  return e;
};
const span = D.to - D.from;
const pad = (n) => String(n).padStart(2, '0');
const clock = (ms) => {
  const d = new Date(ms);
  const t = pad(d.getUTCHours()) + ':' + pad(d.getUTCMinutes()) + ':' + pad(d.getUTCSeconds());
  return span > 864e5 ? d.toISOString().slice(0, 10) + ' ' + t : t;
};
const tip = $('#tip');
const say = $('#say');
const hideTip = () => { tip.hidden = true; };
// The tip is text in lines; it follows a point of the page and stays inside the window.
const showTip = (x, y, lines, hot) => {
  tip.replaceChildren(...lines.map((line, i) => {
    const p = document.createElement(i ? 'span' : 'b');
    p.textContent = line;
    return p;
  }));
  tip.className = hot ? 'hot' : '';
  tip.hidden = false;
  const w = tip.offsetWidth, h = tip.offsetHeight;
  tip.style.left = Math.max(6, Math.min(innerWidth - w - 6, x + 14)) + 'px';
  tip.style.top = (y - h - 12 < 4 ? y + 16 : y - h - 12) + 'px';
};
`;

const END = `addEventListener('beforeprint', () => { for (const box of boxes) if (!box.chart && box.offsetParent) draw(box); });
reveal();
document.documentElement.dataset.ready = 'yes';
`;

export const PAGE_SCRIPT = `(() => {
'use strict';
${CORE}${CHART_SCRIPT}${HEAT_SCRIPT}${FILTER_SCRIPT}${END}})();
`;
