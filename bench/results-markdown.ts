/** The figures of a run as Markdown. Pure. */
import { formatCount } from '../report/format.ts';
import type { ByPart } from './processes.ts';
import { describeShape } from './worker-shapes.ts';
import { QUIET_LOAD, type Results } from './results.ts';
import { targetsOf } from './targets.ts';

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
