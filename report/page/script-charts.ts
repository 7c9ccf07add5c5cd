/** Charts of the page: drawn when they come into view, read with pointer and keys. Part of script.ts. */
export const CHART_SCRIPT = String.raw`const unpack = (i) => {
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
const find = $('#find');
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
    if (find) { e.preventDefault(); find.focus(); }
    return;
  }
  if (e.key === 'Escape') {
    hideTip();
    if (find && document.activeElement === find) { find.value = ''; find.dispatchEvent(new Event('input')); }
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
`;
