/**
 * `npm run bench -- --year`: a SQLite store and a Blob server after months, each figure beside that of a day. What a
 * user waits for must not depend on how long the fleet has run. Writes the section `year` of bench/RESULTS.md.
 *
 *   npm run bench -- --year [--days 30] [--sensors 500] [--results FILE]     180 days take 10 GB and some 15 minutes
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatBytes } from '../domain/bytes.ts';
import { formatCount } from '../report/format.ts';
import { openStore } from '../storage/open-store.ts';
import type { Store } from '../storage/store.ts';
import { writeSection } from './results-file.ts';
import { blobFigures } from './year-blobs.ts';
import type { Figure } from './year-figure.ts';
import { DAY_MS, fillStore, PERIOD_MS, STEP_MS, type Filled } from './year-fill.ts';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function median(rounds: number, work: (round: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now();
    await work(round);
    times.push(performance.now() - startedAt);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}

/** Readings of one event; each changes one window. */
function commit(store: Store, filled: Filled, seq: number, updates: readonly { sensorId: number; startMs: number }[]) {
  return store.commitReadings({
    source: 'bench/readings/$Default',
    partition: '0',
    expectedSeq: seq - 1,
    throughSeq: seq,
    watermarkMs: filled.toMs,
    updates: updates.map(({ sensorId, startMs }) => ({ sensorId, startMs, tsMs: [startMs + 1], values: [seq] })),
    readings: updates.length,
    late: 0,
    dead: 0,
  });
}

async function storeFigures(file: string, days: number, sensors: number): Promise<Figure[]> {
  const filled = await fillStore(file, days, sensors, say);
  const figures: Figure[] = [];
  const ms = async (what: string, rounds: number, work: (round: number) => Promise<unknown>): Promise<void> => {
    figures.push({ what, unit: 'ms', value: await median(rounds, work) });
  };
  figures.push({ what: 'windows', unit: 'count', value: filled.windows });
  figures.push({ what: 'size of the file', unit: 'bytes', value: statSync(file).size });
  await ms('open, look at the schema, close', 5, async () => {
    const one = await openStore(`sqlite:${file}`);
    await one.migrationStatus();
    await one.close();
  });
  const store = await openStore(`sqlite:${file}`);
  const all = { from: 1, to: sensors + 1 };
  const ids = Array.from({ length: sensors }, (_, i) => i + 1);
  const last = { fromMs: filled.toMs - PERIOD_MS, toMs: filled.toMs };
  let seq = 0;
  await ms(`commit of ${sensors} new windows`, 20, (round) =>
    commit(
      store,
      filled,
      seq++,
      ids.map((sensorId) => ({ sensorId, startMs: filled.toMs + round * STEP_MS })),
    ),
  );
  await ms('commit of 600 late readings, spread over all time', 10, (round) =>
    commit(
      store,
      filled,
      seq++,
      Array.from({ length: 600 }, (_, i) => ({
        sensorId: ids[(i * 7) % sensors]!,
        startMs: filled.fromMs + ((i * 7_919 + round * 104_729) % (filled.windows / sensors)) * STEP_MS,
      })),
    ),
  );
  await ms('readings of a chunk: 15 minutes of 100 sensors', 20, () => store.readSeries({ from: 1, to: 101 }, last));
  await ms('sensors list, all sensors', 5, () => store.windowStats(all, { countFromMs: filled.toMs - DAY_MS }));
  await ms('sensors whose readings changed, last period', 10, () => store.changedSensors(last));
  await ms('20 newest batches', 10, () => store.listBatches({ limit: 20 }));
  await ms('batches of the last two days (pages, model health)', 10, () =>
    store.listBatches({ within: { fromMs: filled.toMs - 2 * DAY_MS, toMs: filled.toMs } }),
  );
  await ms('batches over the oldest window (explain)', 10, () =>
    store.listBatches({ covering: { fromMs: filled.fromMs, toMs: filled.fromMs + STEP_MS }, limit: 10 }),
  );
  await ms('files with the newest window of a sensor', 10, () => store.predictionSources(1, last));
  await ms('whole copy of the store (db backup)', 1, () => store.backup(`${file}.copy`));
  rmSync(`${file}.copy`);
  await ms('prune of the oldest hour of all sensors', 1, () =>
    store.prune({ windowsBeforeMs: filled.fromMs + DAY_MS / 24 }),
  );
  await store.close();
  return figures;
}

const shown = ({ unit, value }: Figure): string =>
  unit === 'bytes'
    ? formatBytes(value)
    : unit === 'count'
      ? formatCount(value)
      : value < 10
        ? value.toFixed(2)
        : value.toFixed(0);

/** The two runs side by side; figures have the same order in both. */
function table(day: readonly Figure[], long: readonly Figure[], days: number): string[] {
  return [
    `| milliseconds, median | 1 day | ${days} days | ratio |`,
    '| --- | ---: | ---: | ---: |',
    ...day.map(
      (one, i) => `| ${one.what} | ${shown(one)} | ${shown(long[i]!)} | ${(long[i]!.value / one.value).toFixed(1)} |`,
    ),
  ];
}

export async function benchYear(argv: readonly string[]): Promise<void> {
  const { values: flags } = parseArgs({
    args: argv.filter((arg) => arg !== '--year'),
    options: {
      days: { type: 'string', default: '30' },
      sensors: { type: 'string', default: '500' },
      results: { type: 'string', default: fileURLToPath(new URL('RESULTS.md', import.meta.url)) },
    },
  });
  const [days, sensors] = [Number(flags.days), Number(flags.sensors)];
  if (!(days >= 2 && sensors >= 100 && Number.isInteger(days) && Number.isInteger(sensors)))
    throw new Error('--days takes a whole number from 2, --sensors one from 100');
  const before = loadavg()[0]!.toFixed(1);
  const dir = mkdtempSync(join(tmpdir(), 'fleetscore-bench-year-'));
  try {
    const [day, long] = [
      await storeFigures(join(dir, 'day.db'), 1, sensors),
      await storeFigures(join(dir, 'long.db'), days, sensors),
    ];
    const perDay = sensors * 12;
    const [few, many] = [
      await blobFigures(join(dir, 'few'), perDay),
      await blobFigures(join(dir, 'many'), perDay * days),
    ];
    const perWindow = (long[1]!.value / long[0]!.value).toFixed(0);
    const text = [
      '## After months',
      '',
      `\`npm run bench -- --year --days ${days} --sensors ${sensors}\` on ` +
        `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), load ` +
        `before ${before}, Node ${process.version}. Windows of a minute with one reading, a batch every 15 ` +
        `minutes. ${perWindow} bytes of file a window, outcomes included.`,
      '',
      'The SQLite store:',
      '',
      ...table(day, long, days),
      '',
      'The Blob server of the laptop stack, beside small blobs of 2 KiB, 12 a sensor and day:',
      '',
      ...table(few, many, days),
    ];
    writeSection(flags.results, 'year', text.join('\n'));
    process.stdout.write(`${text.join('\n')}\n`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
