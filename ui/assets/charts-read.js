/**
 * Charts, third part: read with the pointer and with keys; a stretch that is marked with the pointer is opened.
 */
import { draw } from './charts-draw.js';
import { from, LEFT, localTime, MINUTE, RIGHT, say, span, tip, to } from './charts-scales.js';

// What is under the pointer or the keys.
const digits = (value) => String(Number(value.toPrecision(6)));
const times = (series) => (series.t.length ? series.t : series.env.map((slice) => slice[0] + series.step / 2));
const linesAt = (series, i) => {
  const unit = series.unit ? ' ' + series.unit : '';
  const lines = [];
  let at;
  if (series.t.length) {
    at = series.t[i];
    const anomalous = series.a.includes(i);
    lines.push(
      digits(series.v[i]) + unit,
      localTime(at, 'second'),
      (anomalous ? 'anomaly' : 'normal') + ', score ' + digits(series.s[i]),
    );
  } else {
    const [start, lo, hi, mean] = series.env[i];
    at = start;
    lines.push(
      digits(mean) + unit + ' on average',
      digits(lo) + ' to ' + digits(hi),
      localTime(start, 'minute') + ' and ' + Math.round(series.step / MINUTE) + ' min on',
    );
  }
  for (const [a, b, , text] of series.alarms) if (at >= a && at < b) lines.push(text);
  for (const [a, b, why] of series.bad) if (at >= a && at < b) lines.push('not scored: ' + why);
  return lines;
};
const show = (box, i, spoken) => {
  const plot = box.plot;
  const all = times(plot.series);
  if (!all.length) return;
  const at = Math.max(0, Math.min(all.length - 1, i));
  plot.at = at;
  const value = plot.series.t.length ? plot.series.v[at] : plot.series.env[at][3];
  const [x, y] = [plot.X(all[at]), plot.Y(value)];
  const anomalous = plot.series.a.includes(at);
  plot.cursor.setAttribute('visibility', 'visible');
  plot.cursor.setAttribute('class', anomalous ? 'cursor hot' : 'cursor');
  plot.cursor.firstChild.setAttribute('transform', 'translate(' + x + ' 0)');
  plot.cursor.lastChild.setAttribute('cx', x);
  plot.cursor.lastChild.setAttribute('cy', y);
  const lines = linesAt(plot.series, at);
  const place = box.getBoundingClientRect();
  tip.replaceChildren(
    ...lines.map((line, n) => {
      const element = document.createElement(n ? 'span' : 'b');
      element.textContent = line;
      return element;
    }),
  );
  tip.className = anomalous ? 'hot' : '';
  tip.hidden = false;
  const [w, h] = [tip.offsetWidth, tip.offsetHeight];
  tip.style.left = Math.max(6, Math.min(innerWidth - w - 6, place.left + x + 14)) + 'px';
  tip.style.top = (place.top + y - h - 12 < 4 ? place.top + y + 16 : place.top + y - h - 12) + 'px';
  if (spoken) say.textContent = lines.join(', ');
};
const hide = (box) => {
  if (box && box.plot) box.plot.cursor.setAttribute('visibility', 'hidden');
  tip.hidden = true;
};
const nearest = (all, ms) => {
  let [a, b] = [0, all.length - 1];
  while (b - a > 1) {
    const middle = (a + b) >> 1;
    if (all[middle] < ms) a = middle;
    else b = middle;
  }
  return ms - all[a] < all[b] - ms ? a : b;
};
const open = (a, b) => {
  const address = new URL(location.href);
  for (const name of ['span', 'did']) address.searchParams.delete(name);
  address.searchParams.set('from', new Date(Math.round(a)).toISOString());
  address.searchParams.set('to', new Date(Math.round(b)).toISOString());
  location.href = address.href;
};
const MS_LEAST = 60000;
/** Where a key leads to, among the windows; undefined where it leads nowhere. */
const stepOf = ({ key, shiftKey }, { series, at }, count) => {
  const far = shiftKey ? 10 : 1;
  const steps = {
    ArrowRight: () => at + far,
    ArrowLeft: () => (at < 0 ? count - 1 : at - far),
    Home: () => 0,
    End: () => count - 1,
    n: () => series.a.find((i) => i > at),
    p: () => series.a.filter((i) => i < at).pop(),
  };
  return steps[key] ? steps[key]() : undefined;
};
const explainAt = (box, ms) => {
  if (box.dataset.explain && ms !== undefined)
    location.href = box.dataset.explain + '?at=' + encodeURIComponent(new Date(ms).toISOString());
};
const KEYS = new Set(['ArrowRight', 'ArrowLeft', 'Home', 'End', 'n', 'p', '+', '-', 'Escape', 'Enter']);
const keyIn = (box, event) => {
  if (!box.plot || event.ctrlKey || event.metaKey || event.altKey || !KEYS.has(event.key)) return;
  event.preventDefault();
  event.stopPropagation();
  const all = times(box.plot.series);
  const { at } = box.plot;
  if (event.key === 'Escape') hide(box);
  else if (event.key === 'Enter') explainAt(box, all[at]);
  else if (event.key === '+' || event.key === '-') {
    const middle = all[at] ?? (from + to) / 2;
    const half = Math.max(MS_LEAST, event.key === '+' ? span / 4 : span);
    open(middle - half, middle + half);
  } else {
    const step = stepOf(event, box.plot, all.length);
    if (step !== undefined) show(box, step, true);
  }
};
const boxes = Array.from(document.querySelectorAll('.big-chart'));
const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting && !entry.target.plot) draw(entry.target);
  },
  { rootMargin: '300px' },
);
for (const box of boxes) {
  seen.observe(box);
  const msAt = (event) => {
    const x = event.clientX - box.getBoundingClientRect().left;
    return Math.max(from, Math.min(to, from + ((x - LEFT) / (box.plot.width - LEFT - RIGHT)) * span));
  };
  let begun;
  box.addEventListener('pointerdown', (event) => {
    if (event.button === 0 && event.pointerType === 'mouse' && box.plot) begun = msAt(event);
  });
  box.addEventListener('pointermove', (event) => {
    if (!box.plot) return;
    const all = times(box.plot.series);
    if (all.length) show(box, nearest(all, msAt(event)));
    if (begun === undefined) return;
    const [a, b] = [begun, msAt(event)].sort((one, other) => one - other);
    box.plot.pick.setAttribute('visibility', 'visible');
    box.plot.pick.setAttribute('x', box.plot.X(a));
    box.plot.pick.setAttribute('width', Math.max(0, box.plot.X(b) - box.plot.X(a)));
  });
  box.addEventListener('pointerup', (event) => {
    if (begun === undefined) return;
    const [a, b] = [begun, msAt(event)].sort((one, other) => one - other);
    begun = undefined;
    box.plot.pick.setAttribute('visibility', 'hidden');
    if (box.plot.X(b) - box.plot.X(a) > 12) open(a, Math.max(b, a + MS_LEAST));
  });
  box.addEventListener('pointerleave', () => {
    hide(box);
    begun = undefined;
    if (box.plot) box.plot.pick.setAttribute('visibility', 'hidden');
  });
  box.addEventListener('focusout', () => hide(box));
  box.addEventListener('keydown', (event) => keyIn(box, event));
  box.addEventListener('dblclick', (event) => {
    if (!box.plot) return;
    const all = times(box.plot.series);
    explainAt(box, all[nearest(all, msAt(event))]);
  });
}
let pending = 0;
addEventListener('resize', () => {
  clearTimeout(pending);
  pending = setTimeout(() => {
    for (const box of boxes) if (box.plot && box.clientWidth !== box.plot.width) draw(box);
  }, 120);
});
addEventListener('beforeprint', () => {
  for (const box of boxes) if (!box.plot) draw(box);
});
document.documentElement.dataset.charts = 'yes';
