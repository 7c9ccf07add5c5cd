import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { median } from '../../bench/end-to-end.ts';
import { HEAD, linesOf, withRows } from '../../bench/kinds-table.ts';
import { dropSection, writeSection } from '../../bench/results-file.ts';
import { markdown } from '../../bench/results-markdown.ts';
import type { Results } from '../../bench/results.ts';
import { targetsOf } from '../../bench/targets.ts';
import { cleanEnv } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('bench');
const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));

test('a part of the benchmark runs and agrees with the bare loop', async () => {
  const file = join(dir, 'bench.json');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      main,
      '--sizes',
      '600',
      '--rounds',
      '1',
      '--peers',
      'none',
      '--only-sizes',
      '--json',
      file,
    ],
    // Its temporary folders go there.
    { env: { ...cleanEnv(), TMPDIR: dir } },
  );
  const results = JSON.parse(readFileSync(file, 'utf8')) as Results;
  const [size] = results.sizes;
  expect(size).toMatchObject({
    sensors: 600,
    windows: 15,
    sensorsPerActivity: 600,
    bareLoop: { rows: 9_000 },
    history: { workflows: 2 },
  });
  expect(size!.overhead).toBeCloseTo(size!.seconds / size!.bareLoop.seconds, 1);
  for (const part of ['Temporal server', 'control worker', 'scoring worker', 'Blob server'] as const) {
    expect(size!.cpuMicrosecondsPerSensor[part]).toBeGreaterThan(0);
    expect(size!.peakMiB[part]).toBeGreaterThan(20);
  }
  expect(size!.history.events).toBeGreaterThan(10);
  expect(size!.history.bytes).toBeGreaterThan(1_000);
  expect(stdout).toContain('| 600 | 15 |');
  expect(results.machine.versions.temporal).toMatch(/^\d/);
}, 180_000);

test('wrong options are refused with the right ones', async () => {
  const run = promisify(execFile)(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', main, '--peers', 'spark'],
    { env: cleanEnv() },
  );
  await expect(run).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--peers knows process, ray, dask, prefect, dagster, loop, not "spark"/),
  });
}, 60_000);

const size = (sensors: number, seconds: number, bareLoop: number, peakMiB = 900): Results['sizes'][number] => ({
  sensors,
  windows: 15,
  sensorsPerChild: 80_000,
  sensorsPerActivity: 2_000,
  simulateSeconds: 1,
  load: 0.5,
  allSeconds: [seconds],
  seconds,
  sensorsPerSecond: Math.round(sensors / seconds),
  cpuMicrosecondsPerSensor: {},
  peakMiB: { 'scoring worker': peakMiB },
  history: { workflows: 3, events: 250, bytes: 44_000 },
  bareLoop: {
    seconds: bareLoop,
    rows: sensors * 15,
    bytes: 1,
    anomalies: 1,
    readSeconds: 0,
    scoreSeconds: 0,
    csvSeconds: 0,
    cpuSeconds: 1,
    peakMiB: 100,
    allSeconds: [bareLoop],
  },
  overhead: seconds / bareLoop,
});
const results = (change: Partial<Results>): Results => ({
  date: '2026-11-23',
  command: 'npm run bench',
  machine: { cores: 2, cpu: 'test', memoryGiB: 4, system: 'linux', versions: {} },
  load: { before: 0.2, after: 2 },
  seconds: 60,
  sizes: [],
  peers: [],
  ...change,
});

test('targets are held against the figures of the run, and only those it has', () => {
  expect(targetsOf(results({}))).toEqual([]);
  const good = results({
    sizes: [size(100_000, 6, 5), size(1_000_000, 70, 50)],
    peers: [
      {
        name: 'dask',
        title: 'Dask',
        perSensor: { sensors: 1, seconds: 1, sensorsPerSecond: 450 },
        chunked: { sensors: 1, seconds: 1, sensorsPerSecond: 2_150 },
      },
    ],
  });
  expect(targetsOf(good).map((target) => target.reached)).toEqual([true, true, true, true, true, true]);
  const bad = results({ ...good, sizes: [size(100_000, 8, 5), size(1_000_000, 100, 50, 1_600)] });
  expect(targetsOf(bad).map((target) => target.reached)).toEqual([false, false, false, true, true, true]);
  expect(markdown(bad)).toContain('**no**');
  expect(markdown(good)).not.toContain('**no**');
  const shapes = {
    sensors: 100_000,
    load: 0.3,
    shapes: [
      {
        processes: 1,
        threads: 2,
        seconds: 7,
        allSeconds: [7],
        sensorsPerSecond: 14_286,
        cpuMicrosecondsPerSensor: 55,
        peakMiB: [700],
      },
      {
        processes: 2,
        threads: 1,
        seconds: 8,
        allSeconds: [8],
        sensorsPerSecond: 12_500,
        cpuMicrosecondsPerSensor: 60,
        peakMiB: [500, 1_600],
      },
    ],
  };
  expect(targetsOf({ ...good, shapes }).map((target) => target.reached)).toEqual([true, true, false, true, true, true]);
  expect(markdown({ ...good, shapes })).toContain(
    '| 2 processes x 1 thread | 8.00 | 12,500 | 60 | 500, 1,600 | 2,100 | 8.00 |',
  );
  expect(markdown({ ...good, notMeasured: ['peers: no pip'] })).toContain(
    '**Not measured**, because it failed: peers: no pip.',
  );
  expect(markdown(results({ load: { before: 4, after: 4 } }))).toContain('it was not quiet');
});

test('a section of the results is replaced or taken out, and the others stay', () => {
  const file = join(dir, 'RESULTS.md');
  for (const name of ['one', 'two', 'three']) writeSection(file, name, `text of ${name}`);
  writeSection(file, 'two', 'new text');
  dropSection(file, 'one');
  dropSection(file, 'none');
  expect(readFileSync(file, 'utf8')).toBe(
    '# Results\n\n<!-- two -->\nnew text\n<!-- /two -->\n\n<!-- three -->\ntext of three\n<!-- /three -->\n',
  );
  dropSection(file, 'three');
  expect(readFileSync(file, 'utf8')).toBe('# Results\n\n<!-- two -->\nnew text\n<!-- /two -->\n');
});

test('the run in the middle counts, of two the slower', () => {
  expect(median([{ seconds: 3 }, { seconds: 1 }, { seconds: 2 }])).toEqual({ seconds: 2 });
  expect(median([{ seconds: 3 }, { seconds: 1 }])).toEqual({ seconds: 3 });
});

test('of the table of kinds, rows that were measured are new, and those of other kinds stay in their order', () => {
  const row = { name: 'x', kind: 'PCA', features: 1, rounded: false, rows: 50, file: 'x.onnx', refused: 'why' };
  const compared = { ...row, differ: 1, worst: 0, anomalies: 3, otherInPack: 0 };
  const { refused: _, ...taken } = compared;
  const lines = linesOf([
    { ...taken, alonePerSecond: 1_234 },
    { ...taken, features: 12, worst: 2e-7, rows: 30, packedPerSecond: 98_765, way: 'mlp' },
    { ...compared, kind: 'LOF' },
  ]);
  const pca = '| PCA | yes | by itself, mlp | 80 | 2 | 2e-7 | 0 | 1,200 / - | - / 99,000 |';
  expect([...lines]).toEqual([
    ['PCA', pca],
    ['LOF', '| LOF | no: why | | | | | | | |'],
  ]);
  const pageOf = (...rows: readonly string[]): string =>
    ['# Models', '<!-- kinds -->', '', ...HEAD, ...rows, '', '<!-- /kinds -->', 'after'].join('\n');
  const before = pageOf('| gone | yes |', '| PCA | old |', '| SVM | as it was |');
  const only = new Map([['PCA', pca]]);
  const after = pageOf('| SVM | as it was |', pca);
  expect(withRows(before, only, ['SVM', 'LOF', 'PCA'])).toBe(after);
  expect(withRows(after, only, ['SVM', 'LOF', 'PCA'])).toBe(after);
  expect(() => withRows('# Models', only, ['PCA'])).toThrow('has no <!-- kinds -->');
});
