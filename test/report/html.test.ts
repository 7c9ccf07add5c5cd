import { createHash } from 'node:crypto';
import { Script } from 'node:vm';
import fc from 'fast-check';
import { chartData, timeTicks } from '../../report/charts/chart-data.ts';
import { density } from '../../report/charts/density.ts';
import { renderReport } from '../../report/page/html.ts';
import { embedJson, escapeText, html } from '../../report/page/markup.ts';
import { PAGE_SCRIPT } from '../../report/page/script.ts';
import type { PredictionSeries } from '../../report/collect/batch-data.ts';
import { makeBatch, makeData } from './fixture.ts';
import { hostileText } from './names.ts';

const data = makeData();
const page = renderReport(data);

/** Every tag of a page with its text taken out, to compare pages by their markup alone. */
const tagsOf = (text: string): string[] =>
  text.replace(/<(script|style)[^>]*>[^]*?<\/\1>/g, '<$1>').match(/<[^>]*>/g) ?? [];
const dataOf = (
  text: string,
): {
  s: { u: string; t: number[]; e: number; v: number[]; k: number; c: number[]; q: number; a: number[]; n: number }[];
  from: number;
} => JSON.parse(/<script type="application\/json" id="data">([^]*?)<\/script>/.exec(text)![1]!);

test('sixty sensors over an hour of 5 s windows stay well below 1.5 MB', () => {
  expect(data.sensors.reduce((sum, sensor) => sum + sensor.windows, 0)).toBe(58 * 720);
  expect(Buffer.byteLength(page)).toBeLessThan(600_000);
});

test('the same data gives the same bytes', () => expect(renderReport(data)).toBe(page));

test("the policy allows exactly the page's own style and script, and nothing from elsewhere", () => {
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!;
  const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const script = /<script>([^]*?)<\/script>/.exec(page)![1]!;
  const style = /<style>([^]*?)<\/style>/.exec(page)![1]!;
  expect(policy.split('; ')).toEqual([
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ]);
  expect(() => new Script(PAGE_SCRIPT)).not.toThrow();
});

test('no tag carries an inline handler, an inline style or an address outside the page', () => {
  for (const tag of tagsOf(page)) {
    expect(tag).not.toMatch(/\s(on\w+|style|src|srcset|action|formaction)=/i);
    expect(tag).not.toMatch(/href="(?!#|data:image\/svg\+xml,)/);
  }
});

test('names, units, kinds and messages never become markup', () => {
  const [full] = data.sensors;
  const { tsMs, value, prediction, score } = full!.series;
  const first = {
    ...full!,
    series: {
      tsMs: tsMs.slice(-40),
      value: value.slice(-40),
      prediction: prediction.slice(-40),
      score: score.slice(-40),
    },
  };
  const make = (text: readonly string[]): string => {
    const [device, sensor, other] = [text[0]!, text[1]!, text[2]!];
    const problem = { status: 'failed' as const, class: 'internal' as const };
    return renderReport({
      ...data,
      batches: [
        makeBatch(other, data.fromMs, data.toMs, {
          release: other,
          schedule: other,
          message: other,
          kind: 'redrive',
          supersedes: other,
        }),
      ],
      sensors: [
        { ...first, device, sensor, unit: other },
        { ...first, ...problem, device, sensor: `${sensor}2`, unit: other, message: other },
      ],
      causes: [{ ...problem, sensors: 2, example: { device, sensor, message: other } }],
      faults: [{ device, sensor, kind: other, fromMs: data.fromMs, toMs: data.toMs }],
      problems: [other],
    });
  };
  // Attribute values and heat paths differ; which elements there are, and with which attributes, must not.
  const skeleton = (text: string): string[] => tagsOf(text).map((tag) => tag.replace(/"[^"]*"/g, '""'));
  const harmless = skeleton(make(['device', 'sensor', 'text']));
  fc.assert(
    fc.property(fc.tuple(hostileText, hostileText, hostileText), (texts) => {
      const hostile = make(texts);
      expect(skeleton(hostile)).toEqual(harmless);
      expect(dataOf(hostile).s[0]!.u).toBe(texts[2].toWellFormed() === texts[2] ? texts[2] : dataOf(hostile).s[0]!.u);
      expect(hostile.match(/<\/script/gi)).toHaveLength(2);
    }),
    { numRuns: 60 },
  );
});

test('a template escapes what is not markup, and embedded JSON cannot end its element', () => {
  expect(html`<b title="${'"<&>\'`'}">${['<i>', html`<u></u>`, false, undefined, 7]}</b>`.markup).toBe(
    '<b title="&quot;&lt;&amp;&gt;&#39;&#96;">&lt;i&gt;<u></u>7</b>',
  );
  fc.assert(
    fc.property(hostileText, fc.jsonValue(), (text, value) => {
      expect(escapeText(text)).not.toMatch(/[<>"'`]|&(?!(amp|lt|gt|quot|#39|#96);)/);
      const json = embedJson([text, value]).markup;
      expect(json).not.toMatch(/[<>&\u2028\u2029]/);
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify([text, value])));
    }),
  );
});

/** What the page's script does with the data of a chart. */
function unpack(
  chart: ReturnType<typeof chartData>,
  from: number,
): { ts: number[]; value: number[]; score: number[]; anomalies: number[] } {
  const ts: number[] = [];
  let at = from;
  let gap = 0;
  for (const x of chart.t) {
    if (x >= 0 || ts.length === 0) ts.push((at += gap = x * chart.e));
    else for (let r = x; r < 0; r++) ts.push((at += gap));
  }
  const sums = (steps: readonly number[]): number[] =>
    steps.map(
      (
        (sum) => (d: number) =>
          (sum += d)
      )(0),
    );
  const scale = (x: number, k: number): number => (k < 0 ? x * 10 ** -k : x / 10 ** k);
  return {
    ts,
    value: sums(chart.v).map((v) => scale(v, chart.k)),
    score: sums(chart.c).map((v) => scale(v, chart.q)),
    anomalies: sums(chart.a),
  };
}

const rows = fc.array(
  fc.record({
    gap: fc.integer({ min: 1, max: 100_000 }),
    value: fc.double({ noNaN: true, noDefaultInfinity: true }),
    score: fc.double({ min: -50, max: 50, noNaN: true }),
    bad: fc.boolean(),
  }),
  { minLength: 1, maxLength: 60 },
);
const seriesFrom = (
  drawn: readonly { gap: number; value: number; score: number; bad: boolean }[],
  from: number,
): PredictionSeries => {
  let at = from;
  return {
    tsMs: Float64Array.from(drawn, (row) => (at += row.gap)),
    value: Float64Array.from(drawn, (row) => row.value),
    prediction: Uint8Array.from(drawn, (row) => (row.bad ? 1 : 0)),
    score: Float64Array.from(drawn, (row) => row.score),
  };
};

test('packed series unpack to the same times and anomalies, and to values within a thousandth of their range', () => {
  const period = { fromMs: 1_000_000, toMs: 9_000_000 };
  fc.assert(
    fc.property(rows, (drawn) => {
      const series = seriesFrom(drawn, period.fromMs);
      const got = unpack(
        JSON.parse(JSON.stringify(chartData(series, period, 1_000))) as ReturnType<typeof chartData>,
        period.fromMs,
      );
      expect(got.ts).toEqual([...series.tsMs]);
      expect(got.anomalies).toEqual(drawn.flatMap((row, i) => (row.bad ? [i] : [])));
      const range = Math.max(...series.value) - Math.min(...series.value);
      const most = Math.max(...series.value.map(Math.abs));
      // Where a double itself is coarser than that, the double's own steps count.
      const tolerance =
        Number.isFinite(range) && range > 0
          ? Math.max(range / 1_000, most * 1e-13, 1e-299)
          : Math.max(most / 500, 1e-299);
      const farthest = Math.max(...got.value.map((value, i) => Math.abs(value - series.value[i]!)));
      expect(farthest).toBeLessThanOrEqual(tolerance);
    }),
  );
});

test('a longer window is drawn as a level over its length, cut to the period', () => {
  const period = { fromMs: 10_000_000, toMs: 11_000_000 };
  const series = {
    tsMs: Float64Array.of(7_000_000, 10_400_000),
    value: Float64Array.of(1, 2),
    prediction: Uint8Array.of(0, 1),
    score: Float64Array.of(3, -4),
    lengthMs: Float64Array.of(3_400_000, 3_600_000),
  };
  const chart = chartData(series, period, 1_000);
  const got = unpack(JSON.parse(JSON.stringify(chart)) as typeof chart, period.fromMs);
  expect(got.ts).toEqual([10_000_000, 10_399_999, 10_400_000, 10_999_999]);
  expect(got.value.map((value) => Math.round(value))).toEqual([1, 1, 2, 2]);
  expect([chart.n, got.anomalies]).toEqual([2, [2, 3]]);
  // And counted in the period that it ends in.
  expect([...density([series], period, 2).windows]).toEqual([2, 0]);
});

test('a long series is thinned, and keeps its extremes and its worst anomaly', () => {
  const drawn = Array.from({ length: 20_000 }, (_, i) => ({
    gap: 5_000,
    value: Math.sin(i / 50) + (i === 7_777 ? 9 : 0),
    score: i === 7_777 ? -3 : 1,
    bad: i === 7_777,
  }));
  const chart = chartData(seriesFrom(drawn, 0), { fromMs: 0, toMs: 1e8 }, 600);
  const got = unpack(chart, 0);
  expect(chart.n).toBe(20_000);
  expect(got.ts.length).toBeLessThanOrEqual(600);
  expect(got.anomalies).toHaveLength(1);
  expect(got.ts[got.anomalies[0]!]).toBe(7_778 * 5_000);
  expect(Math.max(...got.value)).toBeCloseTo(Math.sin(7_777 / 50) + 9, 2);
});

test('ticks are round, inside the period and few', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 1_000, max: 1e12 }), (fromMs, length) => {
      const ticks = timeTicks({ fromMs, toMs: fromMs + length }, 7);
      expect(ticks.length).toBeLessThanOrEqual(8);
      for (const [offset] of ticks) expect(offset >= 0 && offset <= length).toBe(true);
    }),
  );
});

test('a page without sensors, predictions or faults still says what happened', () => {
  const { faults: _, ...rest } = data;
  const empty = renderReport({
    ...rest,
    sensors: [],
    causes: [],
    totals: { sensors: 0, scored: 0, skipped: 0, failed: 0, cancelled: 0, windows: 0, anomalies: 0 },
  });
  expect(empty).toContain('2026-11-23 14:00 – 15:00 UTC');
  // As booleans: a failure must not print whole pages.
  for (const text of [empty, page])
    expect(/NaN|undefined|Infinity/.exec(text.replace(PAGE_SCRIPT, ''))?.[0]).toBeUndefined();
});

test('what is left out or could not be read is said on the page', () => {
  const told = renderReport({ ...data, omitted: 48_000, problems: ['Batch b1 is running and has no manifest'] });
  expect(told).toContain('48,000 sensors are not on this page');
  expect(told).toContain('Batch b1 is running and has no manifest');
});
