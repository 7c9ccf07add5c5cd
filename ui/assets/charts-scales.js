/**
 * Charts of a sensor over time, first part of three: what is drawn with, scales and their marks. Text only ever goes
 * through textContent.
 */
const holder = document.getElementById('data');
export const data = holder ? JSON.parse(holder.textContent) : { series: [] };
const NS = 'http://www.w3.org/2000/svg';
export const node = (name, attributes, text) => {
  const element = document.createElementNS(NS, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text;
  return element;
};
export const tip = document.getElementById('tip');
export const say = document.getElementById('say');
export const localTime = globalThis.fleetscoreTime;
export const { from, to } = data;
export const span = to - from;

// Ticks at round times of the browser's clock.
export const MINUTE = 60000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  5000,
  10000,
  15000,
  30000,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  DAY,
  2 * DAY,
  7 * DAY,
];
export const timeTicks = (most) => {
  const step = STEPS.find((one) => span / one <= most) || 14 * DAY;
  const ticks = [];
  if (step >= DAY) {
    const at = new Date(from);
    at.setHours(0, 0, 0, 0);
    while (at.getTime() <= to) {
      if (at.getTime() >= from)
        ticks.push([at.getTime(), at.toLocaleDateString(undefined, { month: 'short', day: 'numeric' })]);
      at.setDate(at.getDate() + Math.round(step / DAY));
    }
    return ticks;
  }
  const offset = new Date(from).getTimezoneOffset() * MINUTE;
  for (let at = Math.ceil((from - offset) / step) * step + offset; at <= to; at += step) {
    const midnight = new Date(at).getHours() === 0 && new Date(at).getMinutes() === 0 && step >= 30 * MINUTE;
    const clock = new Date(at).toLocaleTimeString(undefined, {
      hour: '2-digit',
      minute: '2-digit',
      second: step < MINUTE ? '2-digit' : undefined,
      hourCycle: 'h23',
    });
    ticks.push([at, midnight ? new Date(at).toLocaleDateString(undefined, { month: 'short', day: 'numeric' }) : clock]);
  }
  return ticks;
};
export const valueTicks = (low, high, most) => {
  const raw = (high - low) / most;
  const size = Math.pow(10, Math.floor(Math.log10(raw)));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * size).find((one) => one >= raw) || raw;
  const digits = Math.max(0, Math.min(9, -Math.floor(Math.log10(step) + 1e-9) + (step / size === 2.5 ? 1 : 0)));
  const ticks = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9 && ticks.length < 8; at++) {
    const value = at * step;
    ticks.push([value, Math.abs(value) >= 1e6 ? value.toExponential(1) : value.toFixed(digits)]);
  }
  return ticks;
};
export const round = (n) => Math.round(n * 10) / 10;
export const least = (values, start) => values.reduce((a, b) => Math.min(a, b), start);
export const most = (values, start) => values.reduce((a, b) => Math.max(a, b), start);

export const LEFT = 54;
export const RIGHT = 10;
const AXIS = 20;
export const TOP = 12;

/**
 * Lowest and highest value to draw: the band is in view, unless values are so far from it that they would be a line.
 */
const limits = (series) => {
  const ends = series.band.flatMap((part) => part[2].flat()).filter((end) => end !== null);
  const values = series.v.concat(series.env.flatMap((slice) => [slice[1], slice[2]]));
  let low = least(values, Infinity);
  let high = most(values, -Infinity);
  if (!(low <= high)) {
    low = ends.length ? least(ends, Infinity) : 0;
    high = ends.length ? most(ends, -Infinity) : 1;
  }
  const reach = Math.max(high - low, 1e-12) * 3;
  for (const end of ends) {
    if (end < low && low - end < reach) low = end;
    if (end > high && end - high < reach) high = end;
  }
  const room = (high - low) * 0.07 || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
};

/** Places of one chart: values above, scores below them, time across. */
export const frameOf = (box, series) => {
  const width = Math.max(240, box.clientWidth);
  const height = box.clientHeight;
  const hasScore = series.s.length > 0;
  const valueHeight = (height - AXIS - TOP) * (hasScore ? 0.68 : 1);
  const [low, high] = limits(series);
  const X = (ms) => LEFT + ((ms - from) / span) * (width - LEFT - RIGHT);
  const clampX = (ms) => round(X(Math.max(from, Math.min(to, ms))));
  const svg = node('svg', {
    viewBox: '0 0 ' + width + ' ' + height,
    width: width,
    height: height,
    'aria-hidden': 'true',
  });
  return {
    series,
    width,
    height,
    hasScore,
    valueHeight,
    low,
    high,
    X,
    clampX,
    svg,
    bottom: height - AXIS,
    scoreTop: TOP + valueHeight + 14,
    Y: (value) => TOP + ((high - value) / (high - low)) * valueHeight,
    path: (kind, d) => svg.append(node('path', { class: kind, d: d })),
    text: (kind, x, y, anchor, text) =>
      svg.append(node('text', { class: kind, x: x, y: y, 'text-anchor': anchor }, text)),
    rect: (kind, a, b, y, h) =>
      svg.append(
        node('rect', {
          class: kind,
          x: clampX(a),
          y: round(y),
          width: Math.max(1.5, clampX(b) - clampX(a)),
          height: Math.max(1, round(h)),
        }),
      ),
  };
};
