/**
 * The script of the page, as text: plain DOM, no library, runs from a file. It draws a chart when it comes
 * into view, from the embedded JSON; names and messages only ever go through textContent. The page's
 * policy allows exactly this text, by hash.
 */
export const PAGE_SCRIPT = String.raw`(() => {
'use strict';
const D = JSON.parse(document.getElementById('data').textContent);
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

const unpack = (i) => {
  const s = D.s[i];
  if (s.ts) return s;
  s.ts = [];
  let at = D.from, gap = 0;
  for (let x of s.t) {
    if (x >= 0 || !s.ts.length) { gap = x * s.e; x = -1; }
    for (; x < 0; x++) s.ts.push(at += gap);
  }
  const sums = (steps, k) => { let x = 0; const f = Math.pow(10, Math.abs(k)); return steps.map((d) => { x += d; return k < 0 ? x * f : x / f; }); };
  s.val = sums(s.v, s.k);
  s.sc = sums(s.c, s.q);
  s.an = new Uint8Array(s.ts.length);
  let p = 0;
  s.hits = s.a.map((d) => { p += d; s.an[p] = 1; return p; });
  s.lo = s.val.reduce((a, b) => Math.min(a, b), Infinity);
  s.hi = s.val.reduce((a, b) => Math.max(a, b), -Infinity);
  return s;
};
const digits = (x, k) => Math.abs(x) >= 1e7 || k > 9 ? x.toPrecision(5) : x.toFixed(Math.max(0, k));
const yTicks = (lo, hi) => {
  const raw = (hi - lo) / 4, mag = Math.pow(10, Math.floor(Math.log10(raw)));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * mag).find((m) => m >= raw) || raw;
  const out = [];
  for (let y = Math.ceil(lo / step); y * step <= hi + step * 1e-9 && out.length < 6; y++) out.push(y * step);
  const k = Math.max(0, Math.min(9, -Math.floor(Math.log10(step) + 1e-9) + (step / mag === 2.5 ? 1 : 0)));
  return out.map((y) => [y, Math.abs(y) >= 1e6 || (y && Math.abs(y) < 1e-4) ? y.toExponential(1) : y.toFixed(k)]);
};

const H = 136, TOP = 17, BOTTOM = 22, RIGHT = 8;
const draw = (box) => {
  const s = unpack(+box.dataset.i);
  const width = Math.max(200, box.clientWidth);
  let lo = s.lo, hi = s.hi;
  const room = (hi - lo) * 0.07 || Math.abs(hi) * 0.05 || 1;
  lo -= room; hi += room;
  const ys = yTicks(lo, hi);
  const left = Math.max(38, 10 + 6.1 * ys.reduce((m, t) => Math.max(m, t[1].length), 2));
  const X = (ts) => left + (ts - D.from) / span * (width - left - RIGHT);
  const Y = (v) => TOP + (hi - v) / (hi - lo) * (H - TOP - BOTTOM);
  const r = (n) => Math.round(n * 10) / 10;
  const svg = node('svg', { viewBox: '0 0 ' + width + ' ' + H, width: width, height: H, 'aria-hidden': 'true' });
  const labelled = [];
  for (const f of s.f || []) {
    const x = r(X(Math.max(D.from, f[0]))), w = Math.max(2, r(X(Math.min(D.to, f[1])) - x));
    svg.append(node('rect', { class: 'fault' + (f[3] ? '' : ' missed'), x: x, y: TOP, width: w, height: H - TOP - BOTTOM }));
    labelled.push([x, w, f]);
  }
  for (const t of ys) {
    const y = r(Y(t[0]));
    svg.append(node('path', { class: 'rule', d: 'M' + left + ' ' + y + 'H' + (width - RIGHT) }));
    svg.append(node('text', { class: 'tick', x: left - 6, y: y + 3.5, 'text-anchor': 'end' }, t[1]));
  }
  const every = Math.ceil(D.ticks.length * 52 / (width - left));
  D.ticks.forEach((t, i) => {
    if (i % every) return;
    const x = r(X(D.from + t[0]));
    svg.append(node('path', { class: 'notch', d: 'M' + x + ' ' + (H - BOTTOM) + 'v4' }));
    const end = x > width - 22 ? 'end' : 'middle';
    svg.append(node('text', { class: 'tick', x: end === 'end' ? width - 2 : x, y: H - 5, 'text-anchor': end }, t[1]));
  });
  svg.append(node('path', { class: 'base', d: 'M' + left + ' ' + (H - BOTTOM) + 'H' + (width - RIGHT) }));
  let d = '', hot = '', last = -Infinity;
  for (let i = 0; i < s.ts.length; i++) {
    d += (s.ts[i] - last > s.g ? 'M' : 'L') + r(X(s.ts[i])) + ' ' + r(Y(s.val[i]));
    if (s.ts[i] - last > s.g && !(s.ts[i + 1] - s.ts[i] <= s.g)) d += 'h0';
    last = s.ts[i];
  }
  for (const i of s.hits) hot += 'M' + r(X(s.ts[i])) + ' ' + r(Y(s.val[i])) + 'h0';
  svg.append(node('path', { class: 'line', d: d }));
  if (hot) svg.append(node('path', { class: 'halo', d: hot }), node('path', { class: 'hit', d: hot }));
  for (const [x, w, f] of labelled) {
    const text = (f[3] ? '\u2713 ' : '\u2717 missed: ') + f[2];
    const right = x + text.length * 6 > width;
    svg.append(node('text', { class: 'kind' + (f[3] ? '' : ' missed'), x: right ? x + w : x, y: TOP - 4, 'text-anchor': right ? 'end' : 'start' }, text));
  }
  const cursor = node('g', { class: 'cursor', visibility: 'hidden' });
  cursor.append(node('path', { d: 'M0 ' + TOP + 'V' + (H - BOTTOM) }), node('circle', { r: 3.5 }));
  svg.append(cursor);
  box.replaceChildren(svg);
  box.chart = { s: s, X: X, Y: Y, cursor: cursor, left: left, width: width, at: box.chart ? box.chart.at : -1 };
};
const point = (box, i, spoken) => {
  const c = box.chart, s = c.s;
  i = Math.max(0, Math.min(s.ts.length - 1, i));
  c.at = i;
  const x = c.X(s.ts[i]), y = c.Y(s.val[i]), hot = s.an[i] === 1;
  c.cursor.setAttribute('visibility', 'visible');
  c.cursor.setAttribute('class', hot ? 'cursor hot' : 'cursor');
  c.cursor.firstChild.setAttribute('transform', 'translate(' + x + ' 0)');
  c.cursor.lastChild.setAttribute('cx', x);
  c.cursor.lastChild.setAttribute('cy', y);
  const lines = [digits(s.val[i], s.k) + (s.u ? ' ' + s.u : ''), clock(s.ts[i]) + ' UTC', (hot ? 'anomaly' : 'normal') + ', score ' + digits(s.sc[i], s.q)];
  for (const f of s.f || []) if (s.ts[i] >= f[0] && s.ts[i] < f[1]) lines.push('injected fault: ' + f[2]);
  const at = box.getBoundingClientRect();
  showTip(at.left + x, at.top + y, lines, hot);
  if (spoken) say.textContent = lines.join(', ');
};
const clear = (box) => {
  if (box && box.chart) box.chart.cursor.setAttribute('visibility', 'hidden');
  hideTip();
};
const nearest = (ts, t) => {
  let a = 0, b = ts.length - 1;
  while (b - a > 1) { const m = (a + b) >> 1; if (ts[m] < t) a = m; else b = m; }
  return t - ts[a] < ts[b] - t ? a : b;
};
const boxes = $$('.chart');
const seen = new IntersectionObserver((entries) => {
  for (const e of entries) if (e.isIntersecting && !e.target.chart) draw(e.target);
}, { rootMargin: '300px' });
boxes.forEach((box) => seen.observe(box));
document.addEventListener('pointermove', (e) => {
  const box = e.target.closest ? e.target.closest('.chart') : null;
  if (hovered && hovered !== box) clear(hovered);
  hovered = box;
  if (!box || !box.chart || !box.chart.s.ts.length) return;
  const c = box.chart, x = e.clientX - box.getBoundingClientRect().left;
  point(box, nearest(c.s.ts, D.from + (x - c.left) / (c.width - c.left - RIGHT) * span));
});
let hovered = null;
addEventListener('scroll', () => { if (hovered) { clear(hovered); hovered = null; } }, { passive: true });
document.addEventListener('focusout', (e) => { if (e.target.chart) clear(e.target); });
document.addEventListener('keydown', (e) => {
  if (e.key === '/' && !/^(INPUT|SELECT)$/.test(document.activeElement.tagName) && !e.ctrlKey && !e.metaKey && !e.altKey) {
    e.preventDefault();
    $('#find').focus();
    return;
  }
  if (e.key === 'Escape') {
    hideTip();
    if (document.activeElement === $('#find')) { $('#find').value = ''; filter(); }
    return;
  }
  const box = document.activeElement;
  if (!box || !box.chart || !box.chart.s.ts.length || e.ctrlKey || e.metaKey || e.altKey) return;
  const c = box.chart, n = c.s.ts.length;
  const hits = c.s.hits;
  let to;
  if (e.key === 'ArrowRight') to = c.at + (e.shiftKey ? 10 : 1);
  else if (e.key === 'ArrowLeft') to = c.at < 0 ? n - 1 : c.at - (e.shiftKey ? 10 : 1);
  else if (e.key === 'Home') to = 0;
  else if (e.key === 'End') to = n - 1;
  else if (e.key === 'n') to = hits.find((i) => i > c.at);
  else if (e.key === 'p') to = hits.filter((i) => i < c.at).pop();
  else return;
  e.preventDefault();
  if (to !== undefined) point(box, to, true);
});
let pending = 0;
addEventListener('resize', () => {
  clearTimeout(pending);
  pending = setTimeout(() => { for (const box of boxes) if (box.chart && box.clientWidth && box.clientWidth !== box.chart.width) draw(box); }, 120);
});

// The heat map is drawn already; the tip tells the numbers of a slice.
const heat = $('#heat');
if (heat) heat.addEventListener('pointermove', (e) => {
  const row = e.target.closest('.strip');
  if (!row) return hideTip();
  const at = row.getBoundingClientRect(), n = D.heat.n;
  const i = Math.max(0, Math.min(n - 1, Math.floor((e.clientX - at.left) / at.width * n)));
  const r = D.heat.rows[+row.dataset.r];
  const from = D.from + span * i / n, to = D.from + span * (i + 1) / n;
  const windows = r.w[i], bad = r.a[i];
  showTip(e.clientX, at.top + 4, [windows ? bad + ' of ' + windows + (windows === 1 ? ' window' : ' windows') + ' anomalous' : 'no windows', clock(from) + ' to ' + clock(to) + ' UTC'], bad > 0);
});
if (heat) heat.addEventListener('pointerleave', hideTip);

// Filter: words of device and sensor names, and what became of the sensor.
const devices = $$('.device').map((el) => ({
  el: el, wasOpen: el.open,
  cards: $$('.card', el).map((c) => ({ el: c, text: (c.dataset.d + ' ' + c.dataset.n).toLowerCase(), state: c.dataset.s, a: +c.dataset.a })),
}));
let active = false;
const filter = () => {
  const words = $('#find').value.toLowerCase().split(/\s+/).filter(Boolean);
  const which = $('#which').value;
  const now = words.length > 0 || which !== 'all';
  let shown = 0, all = 0;
  for (const d of devices) {
    let here = 0;
    for (const c of d.cards) {
      const fits = words.every((w) => c.text.includes(w)) &&
        (which === 'all' || (which === 'anomalies' ? c.a > 0 : which === 'trouble' ? c.state !== 'scored' : c.state === 'scored' && c.a === 0));
      c.el.hidden = !fits;
      if (fits) here++;
      all++;
    }
    shown += here;
    d.el.hidden = here === 0;
    if (now && !active) d.wasOpen = d.el.open;
    if (now) d.el.open = here > 0 && shown <= 400;
    else if (active) d.el.open = d.wasOpen;
  }
  active = now;
  $('#shown').textContent = now ? shown.toLocaleString('en-US') + ' of ' + all.toLocaleString('en-US') + ' sensors' : '';
  $('#none').hidden = shown > 0 || all === 0;
};
$('#find').addEventListener('input', filter);
$('#which').addEventListener('change', filter);
$('#open').addEventListener('click', () => devices.forEach((d) => { d.el.open = true; }));
$('#close').addEventListener('click', () => devices.forEach((d) => { d.el.open = false; }));
const reveal = () => {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (!target) return;
  if (target.closest('[hidden]')) { $('#find').value = ''; $('#which').value = 'all'; filter(); }
  const device = target.closest('details');
  if (device) device.open = true;
  target.scrollIntoView({ block: 'start' });
};
addEventListener('hashchange', reveal);
document.addEventListener('click', (e) => {
  const link = e.target.closest ? e.target.closest('a[href^="#"]') : null;
  if (link && link.getAttribute('href') === location.hash) { e.preventDefault(); reveal(); }
});
addEventListener('beforeprint', () => { for (const box of boxes) if (!box.chart && box.offsetParent) draw(box); });
$('#tools').hidden = false;
filter();
reveal();
document.documentElement.dataset.ready = 'yes';
})();
`;
