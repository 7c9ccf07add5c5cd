/**
 * Charts of a sensor over time: values with their normal band, alarms, releases and batches; the score below. Read with
 * the pointer and with keys; a stretch that is marked with the pointer is opened. Text only ever goes through
 * textContent.
 */
(() => {
  'use strict';
  const holder = document.getElementById('data');
  if (!holder) return;
  const data = JSON.parse(holder.textContent);
  const NS = 'http://www.w3.org/2000/svg';
  const node = (name, attributes, text) => {
    const element = document.createElementNS(NS, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const tip = document.getElementById('tip');
  const say = document.getElementById('say');
  const localTime = globalThis.fleetscoreTime;
  const { from, to } = data;
  const span = to - from;

  // Ticks at round times of the browser's clock.
  const MINUTE = 60000;
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
  const timeTicks = (most) => {
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
      ticks.push([
        at,
        midnight ? new Date(at).toLocaleDateString(undefined, { month: 'short', day: 'numeric' }) : clock,
      ]);
    }
    return ticks;
  };
  const valueTicks = (low, high, most) => {
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
  const round = (n) => Math.round(n * 10) / 10;
  const least = (values, start) => values.reduce((a, b) => Math.min(a, b), start);
  const most = (values, start) => values.reduce((a, b) => Math.max(a, b), start);

  const LEFT = 54;
  const RIGHT = 10;
  const AXIS = 20;
  const TOP = 12;

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
  const frameOf = (box, series) => {
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

  const drawReleases = ({ series, width, bottom, X, path, text }) => {
    for (const [at, name] of series.releases) {
      const x = round(X(at));
      const right = x > width - 130;
      path('release-mark', 'M' + x + ' ' + TOP + 'V' + bottom);
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

  const draw = (box) => {
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
})();
