/** The figures of a run as data, as Markdown and held against the targets. Pure. */
import { formatCount } from '../report/format.ts';
import type { ChildMode } from './children.ts';
import type { EndToEnd } from './end-to-end.ts';
import type { Machine } from './machine.ts';
import type { PeerResult } from './peers.ts';
import type { ByPart } from './processes.ts';
import { describeShape, type WorkerShapes } from './worker-shapes.ts';

export interface ScoringAlone {
  /** The predictions file of these models: its size, and the time to find one sensor in it. */
  readonly files?: Readonly<Record<'csv' | 'parquet', { readonly bytes: number; readonly oneSensorMs: number }>>;
  readonly results: Readonly<
    Record<string, { readonly rowsPerSecond: number; readonly cpuMicrosecondsPerRow: number }>
  >;
}

export interface Results {
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  /** Load average of the minute before and after. */
  readonly load: { readonly before: number; readonly after: number };
  readonly seconds: number;
  readonly sizes: readonly EndToEnd[];
  readonly shapes?: WorkerShapes;
  readonly children?: ChildMode;
  readonly peers: readonly PeerResult[];
  readonly scoring?: ScoringAlone;
  /** Parts that failed, with the reason. */
  readonly notMeasured?: readonly string[];
}

export interface Target {
  readonly target: string;
  readonly measured: string;
  readonly reached: boolean;
}

/** Past this the machine did other things too. */
export const QUIET_LOAD = 1.5;
const MAX_MIB = 1_536;
const MAX_EVENTS = 4_096;
const MAX_HISTORY_BYTES = 4 * 1024 * 1024;

/** Those that this run has figures for. */
export function targetsOf(results: Results): Target[] {
  const targets: Target[] = [];
  const add = (target: string, measured: string, reached: boolean): void =>
    void targets.push({ target, measured, reached });
  const size = (sensors: number): EndToEnd | undefined => results.sizes.find((s) => s.sensors === sensors);
  const [large, huge] = [size(100_000), size(1_000_000)];
  if (large)
    add('overhead over the bare loop at 100,000 sensors at most 1.5', `${large.overhead}`, large.overhead <= 1.5);
  if (large && huge) {
    const factor = huge.seconds / large.seconds;
    add('1,000,000 sensors in at most 12 times the time of 100,000', `${factor.toFixed(1)} times`, factor <= 12);
  }
  const peaks = [
    ...results.sizes.flatMap((s) =>
      Object.entries(s.peakMiB).map(([part, mib]) => ({ part, mib, sensors: s.sensors })),
    ),
    ...(results.shapes?.shapes.flatMap((s) =>
      s.peakMiB.map((mib) => ({
        part: `scoring worker of ${describeShape(s)}`,
        mib,
        sensors: results.shapes!.sensors,
      })),
    ) ?? []),
  ];
  const peak = peaks.toSorted((a, b) => b.mib - a.mib)[0];
  if (peak)
    add(
      'no process over 1.5 GiB',
      `${formatCount(peak.mib)} MiB (${peak.part}, ${formatCount(peak.sensors)} sensors)`,
      peak.mib <= MAX_MIB,
    );
  const histories = [
    ...results.sizes.map((s) => s.history),
    ...(results.children ? [results.children.batch.history] : []),
  ];
  if (histories.length > 0) {
    const events = Math.max(...histories.map((h) => h.events));
    const bytes = Math.max(...histories.map((h) => h.bytes));
    add(
      'no history over 4,096 events or 4 MB',
      `${formatCount(events)} events, ${formatCount(bytes)} bytes`,
      events <= MAX_EVENTS && bytes <= MAX_HISTORY_BYTES,
    );
  }
  const best = (way: 'perSensor' | 'chunked'): { title: string; rate: number } | undefined =>
    results.peers
      .flatMap((p) => (p[way] ? [{ title: p.title, rate: p[way].sensorsPerSecond }] : []))
      .toSorted((a, b) => b.rate - a.rate)[0];
  const ours = results.sizes.toSorted((a, b) => b.sensorsPerSecond - a.sensorsPerSecond)[0];
  for (const [way, times, words] of [
    ['perSensor', 20, 'per-sensor'],
    ['chunked', 5, 'chunked'],
  ] as const) {
    const peer = best(way);
    if (!peer || !ours) continue;
    const factor = ours.sensorsPerSecond / peer.rate;
    add(
      `at least ${times} times the best peer's ${words} mode`,
      `${factor.toFixed(1)} times (${formatCount(ours.sensorsPerSecond)}/s at ${formatCount(ours.sensors)} ` +
        `sensors; ${peer.title} ${formatCount(peer.rate)}/s)`,
      factor >= times,
    );
  }
  if (results.children) {
    const { batch, empty, emptyAtOnce } = results.children;
    // Children that do nothing are compared both ways: how they are started matters as much as what they do.
    for (const [title, other] of [
      ['empty children asked for at once', emptyAtOnce],
      ['empty children started as the batch starts its own', empty],
    ] as const) {
      const share = batch.perSecond / other.perSecond;
      add(`a child per sensor at least 70 % of the rate of ${title}`, `${Math.round(share * 100)} %`, share >= 0.7);
    }
  }
  return targets;
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [
    `| ${head.join(' | ')} |`,
    `| ${head.map((_, i) => (i === 0 ? '---' : '---:')).join(' | ')} |`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');

const seconds = (s: number): string => s.toFixed(s < 10 ? 2 : 1);
const PARTS = ['Temporal server', 'control worker', 'scoring worker', 'Blob server'] as const;
const byPart = (values: ByPart): string[] => PARTS.map((part) => formatPlain(values[part]));
const formatPlain = (value: number | undefined): string =>
  value === undefined ? '' : value >= 100 ? formatCount(value) : String(value);

/** The page of results. */
export function markdown(results: Results): string {
  const sections = [
    ...headSection(results),
    ...targetSection(results),
    ...sizeSection(results),
    ...shapeSection(results),
    ...childrenSection(results),
    ...peerSection(results),
    ...scoringSection(results),
  ];
  return `${sections.join('\n\n')}\n`;
}

function headSection(results: Results): string[] {
  const { machine, load } = results;
  return [
    '## Batches',
    `Made by \`${results.command}\` on ${results.date}, in ${Math.round(results.seconds / 60)} minutes. ` +
      'Do not edit: run it again.',
    `${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, ${machine.system}. ${Object.entries(
      machine.versions,
    )
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}. ` +
      'Load of the machine before ' +
      `${load.before}` +
      `${load.before > QUIET_LOAD ? ': **it was not quiet, read the ratios, not the rates**' : ''}.`,
    ...(results.notMeasured?.length ? [`**Not measured**, because it failed: ${results.notMeasured.join('; ')}.`] : []),
  ];
}

function targetSection(results: Results): string[] {
  const targets = targetsOf(results);
  if (targets.length === 0) return [];
  return [
    '### Targets',
    table(
      ['target', 'measured', 'reached'],
      targets.map((t) => [t.target, t.measured, t.reached ? 'yes' : '**no**']),
    ),
  ];
}

function sizeSection(results: Results): string[] {
  if (results.sizes.length === 0) return [];
  return [
    '### fleetscore beside the bare loop',
    'From the trigger of the schedule to the manifest; the bare loop reads the same rows of the same store, ' +
      'scores with the same packs and writes the same predictions to the same Blob server, in one process, ' +
      'with no workflow, no retry and no record of outcomes. Rounds in turns, the median counts.',
    table(
      [
        'sensors',
        'windows each',
        'seconds',
        'sensors/s',
        'bare loop s',
        'overhead',
        'rounds (s)',
        'bare loop rounds (s)',
        'load before',
      ],
      results.sizes.map((s) => [
        formatCount(s.sensors),
        String(s.windows),
        seconds(s.seconds),
        formatCount(s.sensorsPerSecond),
        seconds(s.bareLoop.seconds),
        s.overhead.toFixed(2),
        s.allSeconds.map(seconds).join(', '),
        s.bareLoop.allSeconds.map(seconds).join(', '),
        String(s.load),
      ]),
    ),
    'CPU, microseconds per sensor, by process; idle polling of the servers included:',
    table(
      ['sensors', ...PARTS, 'bare loop (without Blob server)'],
      results.sizes.map((s) => [
        formatCount(s.sensors),
        ...byPart(s.cpuMicrosecondsPerSensor),
        formatPlain(Math.round((s.bareLoop.cpuSeconds * 1e7) / s.sensors) / 10),
      ]),
    ),
    'Peak memory, MiB, and the largest history:',
    table(
      ['sensors', ...PARTS, 'bare loop', 'sensors per child', 'per activity', 'workflows', 'most events', 'most bytes'],
      results.sizes.map((s) => [
        formatCount(s.sensors),
        ...byPart(s.peakMiB),
        formatCount(s.bareLoop.peakMiB),
        formatCount(s.sensorsPerChild),
        formatCount(s.sensorsPerActivity),
        String(s.history.workflows),
        formatCount(s.history.events),
        formatCount(s.history.bytes),
      ]),
    ),
  ];
}

function shapeSection(results: Results): string[] {
  if (!results.shapes) return [];
  const { sensors, shapes } = results.shapes;
  return [
    '### Few large workers or many small ones',
    `The same ${formatCount(sensors)} sensors on the same cores, shared by scoring workers, servers and ` +
      'control worker; each start of workers was warmed up by a batch that does not count. ' +
      `Load before ${results.shapes.load}.`,
    table(
      [
        'scoring workers',
        'seconds',
        'sensors/s',
        'CPU microseconds per sensor, all workers',
        'peak MiB of each',
        'MiB in all',
        'rounds (s)',
      ],
      shapes.map((s) => [
        describeShape(s),
        seconds(s.seconds),
        formatCount(s.sensorsPerSecond),
        String(s.cpuMicrosecondsPerSensor),
        s.peakMiB.map(formatCount).join(', '),
        formatCount(s.peakMiB.reduce((sum, mib) => sum + mib, 0)),
        s.allSeconds.map(seconds).join(', '),
      ]),
    ),
  ];
}

function childrenSection(results: Results): string[] {
  if (!results.children) return [];
  const { sensors, batch, empty, withActivity, emptyAtOnce } = results.children;
  const kinds = [
    ['a batch with a child per sensor', batch],
    ['empty children, started as the batch starts its own', empty],
    ['the same, each with an activity that does nothing', withActivity],
    ['empty children, asked for at once', emptyAtOnce],
  ] as const;
  return [
    '### A child workflow per sensor',
    table(
      ['', 'children', 'seconds', 'children/s', 'rounds (s)'],
      kinds.map(([title, c]) => [
        title,
        String(sensors),
        seconds(c.seconds),
        String(c.perSecond),
        c.allSeconds.map(seconds).join(', '),
      ]),
    ),
    'CPU, milliseconds per child, by process:',
    table(
      ['', ...PARTS, 'empty worker'],
      kinds.map(([title, c]) => [title, ...byPart(c.cpuMilliseconds), formatPlain(c.cpuMilliseconds['empty worker'])]),
    ),
    'The batch also waits for readings, plans, scores, writes a file for each sensor and the manifest. ' +
      `Its longest history has ${formatCount(batch.history.events)} events, its largest ` +
      `${formatCount(batch.history.bytes)} bytes.`,
  ];
}

function peerSection(results: Results): string[] {
  if (results.peers.length === 0) return [];
  return [
    '### Peers',
    'The same models and windows with scikit-learn, on the same cores: models as pickles, predictions as CSV ' +
      'files on the local disk; the start of a peer is not timed. Anomalies agree with fleetscore in number. ' +
      'Versions: `bench/peers/*-requirements.txt`.',
    table(
      ['peer', 'per sensor, sensors/s', 'chunks of 100, sensors/s', 'note'],
      results.peers.map((p) => [
        p.title,
        formatPlain(p.perSensor?.sensorsPerSecond),
        formatPlain(p.chunked?.sensorsPerSecond),
        p.skipped ?? '',
      ]),
    ),
  ];
}

function scoringSection(results: Results): string[] {
  if (!results.scoring) return [];
  return [
    '### Scoring alone',
    'No store, no Blob, one thread; 1,000 models over 15 windows each.',
    table(
      ['way', 'rows/s', 'CPU microseconds per row'],
      Object.entries(results.scoring.results).map(([name, r]) => [
        WAYS[name] ?? name,
        formatCount(r.rowsPerSecond),
        String(r.cpuMicrosecondsPerRow),
      ]),
    ),
    ...(results.scoring.files
      ? [
          `The file: ${formatCount(results.scoring.files.csv.bytes)} bytes as CSV, ` +
            `${formatCount(results.scoring.files.parquet.bytes)} as Parquet; ` +
            `one sensor is found in ${results.scoring.files.csv.oneSensorMs} and ` +
            `${results.scoring.files.parquet.oneSensorMs} ms.`,
        ]
      : []),
  ];
}

const WAYS: Readonly<Record<string, string>> = {
  packs: 'packs',
  sessionsKept: 'a session per model, kept',
  sessionsAnew: 'a session per model, loaded anew',
  plainLoop: 'plain loop over typed arrays (arithmetic only)',
  encode: 'writing predictions, CSV',
  decode: 'reading predictions, CSV',
  encodeParquet: 'writing predictions, Parquet',
  decodeParquet: 'reading predictions, Parquet',
};
