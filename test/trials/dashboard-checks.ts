/**
 * What each panel of the dashboard has to show, by the store. A rate or an increase is what Prometheus makes of
 * samples, which reaches at most half a scrape beyond them: it may differ by a twentieth; everything else is equal.
 */
import type { Batch } from '../../storage/store.ts';

export interface Panel {
  readonly title: string;
  readonly legend: string;
  readonly expr: string;
}

export interface Shown extends Panel {
  readonly series: readonly {
    readonly metric: Readonly<Record<string, string>>;
    readonly labels: string;
    readonly value: number;
  }[];
}

export interface Facts {
  readonly nowMs: number;
  /** Closed ones of the schedule, newest start first. */
  readonly batches: readonly Batch[];
  /** Rows in their files. */
  readonly predictions: number;
  /** Windows that the challenger labelled as the batch did, and in another way. */
  readonly challenged: { readonly same: number; readonly differ: number };
  readonly partitions: number;
  /** Of all partitions. */
  readonly counted: { readonly readings: number; readonly late: number; readonly dead: number };
  /** By partition, epoch ms. */
  readonly watermarksMs: ReadonlyMap<string, number>;
}

export function panelsOf(dashboard: string): Panel[] {
  const { panels } = JSON.parse(dashboard) as {
    readonly panels: readonly { title: string; targets?: readonly { expr: string; legendFormat: string }[] }[];
  };
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ title, legend: legendFormat, expr })),
  );
}

/** Of one panel: what is wrong with it, if anything is. */
type Check = (shown: Shown, facts: Facts) => string | undefined;

const near = (value: number | undefined, expected: number, by = 0.05): boolean =>
  value !== undefined && Math.abs(value - expected) <= Math.abs(expected) * by + 1e-9;

/** Every series is `expected`, and there is one. */
const each =
  (expected: (facts: Facts, metric: Readonly<Record<string, string>>) => number, by = 0): Check =>
  ({ series }, facts) => {
    if (series.length === 0) return 'no data';
    const wrong = series.find(({ metric, value }) => !near(value, expected(facts, metric), by));
    return wrong && `${wrong.labels} ${wrong.value}, the store says ${expected(facts, wrong.metric)}`;
  };

/** The value of the series with these labels; other series are 0. */
const only =
  (labels: Readonly<Record<string, string>>, expected: (facts: Facts) => number): Check =>
  ({ series }, facts) => {
    const is = (metric: Readonly<Record<string, string>>): boolean =>
      Object.entries(labels).every(([name, value]) => metric[name] === value);
    const found = series.find(({ metric }) => is(metric));
    if (!found || !near(found.value, expected(facts)))
      return `${found?.value ?? 'nothing'} of ${JSON.stringify(labels)}, the store says ${expected(facts)}`;
    const other = series.find(({ metric, value }) => !is(metric) && value !== 0);
    return other && `${other.labels} ${other.value}, the store says 0`;
  };

const all =
  (...checks: readonly Check[]): Check =>
  (shown, facts) =>
    checks.map((check) => check(shown, facts)).find((problem) => problem !== undefined);

const finite: Check = ({ series }) =>
  series.length > 0 && series.every(({ value }) => value > 0 && Number.isFinite(value))
    ? undefined
    : 'no number above 0';

const newest = ({ batches }: Facts): Batch =>
  batches.reduce((last, batch) => (batch.finishedAtMs! > last.finishedAtMs! ? batch : last));
const seconds = (batch: Batch): number => (batch.finishedAtMs! - batch.startedAtMs) / 1_000;
const sum = (facts: Facts, of: (batch: Batch) => number): number =>
  facts.batches.reduce((total, batch) => total + of(batch), 0);
const anomalies = (facts: Facts): number => sum(facts, ({ counts }) => counts.anomalies);

/** By title and legend. */
const CHECKS: Readonly<Record<string, Check>> = {
  'Batches running|running': each(() => 0),
  'Sensors to go|to go': each(() => 0),
  'Since the last batch|{{schedule}}': ({ series: [first] }, facts) => {
    const since = (facts.nowMs - newest(facts).finishedAtMs!) / 1_000;
    return first && Math.abs(first.value - since) < 3 ? undefined : `${first?.value}, the store says ${since}`;
  },
  'Last batch took|{{schedule}}': each((facts) => seconds(newest(facts))),
  'Failed in the last batch|{{schedule}}': each((facts) => newest(facts).counts.failed),
  'Anomalous windows, last batch|{{schedule}}': each(
    (facts) => newest(facts).counts.anomalies / newest(facts).counts.windows,
    0.001,
  ),
  'Batches closed per hour, by end|{{status}}': only({ status: 'completed' }, ({ batches }) => batches.length),
  'Time of a batch|{{schedule}}': each((facts) => sum(facts, seconds) / facts.batches.length, 0.05),
  'Sensors per hour, by outcome|{{outcome}}': all(({ series }, facts) => {
    const of = (outcome: string): number | undefined => series.find(({ metric }) => metric.outcome === outcome)?.value;
    for (const outcome of ['scored', 'failed', 'skipped', 'cancelled'] as const) {
      const expected = sum(facts, ({ counts }) => counts[outcome]);
      if (!near(of(outcome) ?? 0, expected)) return `${of(outcome)} ${outcome}, the store says ${expected}`;
    }
    return undefined;
  }),
  'Failed sensors per hour, by class|{{class}}': only({ class: 'model_corrupt' }, (facts) =>
    sum(facts, ({ counts }) => counts.failed),
  ),
  'Anomalies|anomalous': each((facts) => anomalies(facts) / facts.predictions, 0.05),
  'Anomalies|{{challenger}} differs': each(({ challenged: { same, differ } }) => differ / (same + differ), 0.05),
  'Chunks under way|running': each(() => 0),
  'Chunks under way|slots': finite,
  'Time of a chunk|chunk': finite,
  'Activity latency, 95 %|waiting': finite,
  'Activity latency, 95 %|running': finite,
  'Nodes|{{pool}} {{state}}': only({ state: 'ready' }, () => 1),
  // It idles, and stays for a while.
  'Nodes|{{pool}} wanted': each(() => 0),
  'Nodes|{{pool}} allowed': finite,
  'Workers|{{pool}} {{state}}': only({ state: 'idle' }, () => 1),
  'Tasks that wait|{{pool}}': each(() => 0),
  'Cost per hour|{{pool}}': finite,
  'Cost, last 24 hours|{{pool}}': finite,
  'Node time, last 24 hours|{{pool}}': finite,
  'Lag|partition {{partition}}': all(
    each(() => 0),
    ({ series }, { partitions }) =>
      series.length === partitions ? undefined : `${series.length} partitions, the store has ${partitions}`,
  ),
  'Age of the watermark|partition {{partition}}': ({ series }, { nowMs, watermarksMs }) => {
    const wrong = series.find(({ metric, value }) => {
      const watermarkMs = watermarksMs.get(metric.partition ?? '') ?? -1;
      return watermarkMs < 0 || Math.abs(value - (nowMs - watermarkMs) / 1_000) > 5;
    });
    return wrong && `${wrong.labels} ${wrong.value}`;
  },
  // All of them came in the five minutes that the rate looks back.
  'Readings per second|readings': each(({ counted }) => counted.readings / 300, 0.05),
  'Readings per second|late': each(({ counted }) => counted.late / 300, 0.05),
  'Readings per second|dead': each(({ counted }) => counted.dead / 300, 0.05),
  'Memory|{{role}} {{instance}}': ({ series }) => roles(series),
  'CPU|{{role}} {{instance}}': ({ series }) => roles(series),
};

function roles(series: Shown['series']): string | undefined {
  const found = series.map(({ metric }) => metric.role).sort();
  return found.join() === 'control,ingest,scoring' ? undefined : `it shows ${found.join() || 'nothing'}`;
}

/** Panels that do not show what the store says, and panels that nothing is known about. */
export function differences(shown: readonly Shown[], facts: Facts): string[] {
  return shown.flatMap((panel) => {
    const check = CHECKS[`${panel.title}|${panel.legend}`];
    const problem = check ? check(panel, facts) : 'there is no check of it';
    return problem === undefined ? [] : [`${panel.title} (${panel.legend}): ${problem}`];
  });
}
