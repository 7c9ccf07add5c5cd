/** Charts, second part: values with their normal band, alarms, releases and batches, and the score below. */
import {
  data,
  frameOf,
  from,
  least,
  LEFT,
  most,
  node,
  RIGHT,
  round,
  timeTicks,
  to,
  TOP,
  valueTicks,
} from './charts-scales.js';

/** Behind the values: the normal band, what was not scored, alarms. */
const drawGround = ({ series, valueHeight, Y, clampX, rect, path }) => {
  const floor = TOP + valueHeight;
  for (const [a, b, ranges] of series.band)
    for (const [lower, upper] of ranges) {
      const y = upper === null ? TOP : Math.max(TOP, Y(upper));
      const end = lower === null ? floor : Math.min(floor, Y(lower));
      if (end <= y) continue;
      rect('band', a, b, y, end - y);
      const edge = (at) => 'M' + clampX(a) + ' ' + round(at) + 'H' + clampX(b);
      path('band-edge', (upper === null ? '' : edge(y)) + (lower === null ? '' : edge(end)));
    }
  for (const [a, b] of series.bad) rect('bad-batch', a, b, TOP, valueHeight);
  for (const [a, b] of series.alarms) {
    rect('alarm-span', a, b, TOP, valueHeight);
    rect('alarm-top', a, b, TOP - 4, 4);
  }
};

const anchorAt = (x, width) => {
  if (x > width - 24) return 'end';
  return x < LEFT + 16 ? 'start' : 'middle';
};

const drawAxes = ({ series, width, height, bottom, valueHeight, low, high, X, Y, path, text }) => {
  for (const [value, label] of valueTicks(low, high, 4)) {
    const y = round(Y(value));
    path('rule', 'M' + LEFT + ' ' + y + 'H' + (width - RIGHT));
    text('tick', LEFT - 6, y + 3.5, 'end', label);
  }
  for (const [at, label] of timeTicks(Math.max(2, Math.floor((width - LEFT) / 74)))) {
    const x = round(X(at));
    path('notch', 'M' + x + ' ' + bottom + 'v4');
    const anchor = anchorAt(x, width);
    text('tick', anchor === 'end' ? width - 2 : x, height - 5, anchor, label);
  }
  if (series.batches.length < 60)
    for (const at of series.batches)
      if (at > from && at < to) path('batch-mark', 'M' + round(X(at)) + ' ' + TOP + 'V' + (TOP + valueHeight));
  path('base', 'M' + LEFT + ' ' + bottom + 'H' + (width - RIGHT));
};

/** Slices: from the lowest to the highest reading, and the mean as a line. */
const drawSlices = ({ series, X, Y, path }) => {
  let body = '';
  let mean = '';
  let last = -Infinity;
  for (const [at, lo, hi, middle] of series.env) {
    const x = round(X(Math.max(from, at)));
    const end = round(X(Math.min(to, at + series.step)));
    body += 'M' + x + ' ' + round(Y(lo)) + 'V' + round(Y(hi) - 0.6) + 'H' + end + 'V' + round(Y(lo)) + 'z';
    mean += (at - last > series.step * 1.5 ? 'M' : 'L') + round((x + end) / 2) + ' ' + round(Y(middle));
    last = at;
  }
  path('env', body);
  path('line', mean);
};

/** A line through windows, interrupted where there are none; and its anomalous places. */
const lineOf = ({ series, X }, y) => {
  let last = -Infinity;
  let d = '';
  series.t.forEach((at, i) => {
    const alone = at - last > series.gap && !(series.t[i + 1] - at <= series.gap);
    d += (at - last > series.gap ? 'M' : 'L') + round(X(at)) + ' ' + round(y(i)) + (alone ? 'h0' : '');
    last = at;
  });
  return [d, series.a.map((i) => 'M' + round(X(series.t[i])) + ' ' + round(y(i)) + 'h0').join('')];
};

const drawValues = (frame) => {
  const { series, valueHeight, Y, path, rect } = frame;
  if (series.env.length) drawSlices(frame);
  const [line, hot] = lineOf(frame, (i) => Y(series.v[i]));
  if (line) path('line', line);
  if (hot) {
    path('halo', hot);
    path('hit', hot);
  }
  for (const [a, b, share] of series.hot) {
    const h = Math.max(3, share * 14);
    rect('alarm-top', a, b, TOP + valueHeight - h, h);
  }
};

/* Of names that would lie on each other the first is written; every change has its line. */
const drawReleases = ({ series, width, bottom, X, path, text }) => {
  const taken = [];
  for (const [at, name] of series.releases) {
    const x = round(X(at));
    const right = x > width - 130;
    path('release-mark', 'M' + x + ' ' + TOP + 'V' + bottom);
    const size = name.length * 6.5;
    const from = right ? x - 4 - size : x + 4;
    if (taken.some(([a, b]) => a < from + size && b > from)) continue;
    taken.push([from, from + size]);
    text('release-text', right ? x - 4 : x + 4, TOP + 10, right ? 'end' : 'start', name);
  }
};

const drawScores = (frame) => {
  const { series, width, bottom, scoreTop, path, text } = frame;
  const low = least(series.s, series.zero ? 0 : Infinity);
  const high = most(series.s, series.zero ? 0 : -Infinity);
  const size = high - low || Math.abs(high) || 1;
  const S = (score) => scoreTop + ((high + size * 0.06 - score) / (size * 1.12)) * (bottom - scoreTop);
  text('axis-name', LEFT, scoreTop - 3, 'start', series.zero ? 'score: an anomaly below the line' : 'score');
  if (series.zero) {
    path('zero', 'M' + LEFT + ' ' + round(S(0)) + 'H' + (width - RIGHT));
    text('tick', LEFT - 6, round(S(0)) + 3.5, 'end', '0');
  }
  const [line, hot] = lineOf(frame, (i) => S(series.s[i]));
  path('score', line);
  if (hot) path('score-hit', hot);
};

export const draw = (box) => {
  const series = data.series[Number(box.dataset.i)];
  const frame = frameOf(box, series);
  drawGround(frame);
  drawAxes(frame);
  drawValues(frame);
  drawReleases(frame);
  if (frame.hasScore) drawScores(frame);
  const cursor = node('g', { class: 'cursor', visibility: 'hidden' });
  cursor.append(node('path', { d: 'M0 ' + TOP + 'V' + frame.bottom }), node('circle', { r: 3.5 }));
  const pick = node('rect', { class: 'pick', y: TOP, height: frame.bottom - TOP, width: 0, visibility: 'hidden' });
  frame.svg.append(pick, cursor);
  box.replaceChildren(frame.svg);
  const at = box.plot ? box.plot.at : -1;
  box.plot = { series: series, X: frame.X, Y: frame.Y, cursor: cursor, pick: pick, width: frame.width, at: at };
};
