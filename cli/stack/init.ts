/**
 * `fleetscore init FOLDER`: a plant to begin with, that works as it is. The readings are of the last whole hour, so
 * that nothing is too old for any setting; the anomaly in them is the same in every folder.
 */
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { FleetscoreError } from '../../domain/errors.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { HOUR_MS, isoTime } from '../../domain/time.ts';
import { packageFile, siblingFile } from '../../paths.ts';
import { noiseAt, wanderAt } from '../../samples/random.ts';
import { makeFolder } from '../../storage/folders.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';

const EVERY_MS = 5_000;
/** Where in the hour the oil begins to run hot. */
const HOT_FROM_MS = 50 * 60_000;

/** Mean, noise and slow wander of each sensor in its unit. */
const SENSORS = [
  { device: 'press-7', sensor: 'oil-temp', mean: 62, noise: 0.3, wander: 1.5, hot: 9 },
  { device: 'press-7', sensor: 'vibration', mean: 2.4, noise: 0.08, wander: 0.2, hot: 0 },
  { device: 'pump-1', sensor: 'flow', mean: 118, noise: 1.2, wander: 3, hot: 0 },
  { device: 'pump-1', sensor: 'motor-current', mean: 14.5, noise: 0.15, wander: 0.5, hot: 0 },
] as const;

const FILES = ['README.md', 'run.sh', 'train.py'] as const;

export async function init(_: Context, __: object, folder: string): Promise<Output> {
  const into = resolve(folder);
  if (existsSync(into) && readdirSync(into).length > 0)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `${into} is there already and not empty: nothing of it is overwritten. Name another folder, or empty it.`,
    );
  makeFolder(into);
  const toMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  const fromMs = toMs - HOUR_MS;
  const values: Readonly<Record<string, string>> = {
    FLEETSCORE: `${shellWord(process.execPath)} ${shellWord(packageFile('bin/fleetscore.js'))}`,
    FROM: isoTime(fromMs),
    TO: isoTime(toMs),
    ANOMALY: isoTime(fromMs + HOT_FROM_MS + 60_000),
  };
  for (const name of FILES)
    writeFileSync(
      join(into, name),
      readFileSync(siblingFile(`samples/init/${name}`), 'utf8').replaceAll(
        /@([A-Z]+)@/g,
        (all, key: string) => values[key] ?? all,
      ),
    );
  chmodSync(join(into, 'run.sh'), 0o755);
  writeFileSync(join(into, 'readings.csv'), readingsCsv(fromMs));
  const files = [...FILES, 'readings.csv'];
  return {
    data: { folder: into, files },
    text: `${into} has ${files.join(', ')}.\nNext: sh ${shellWord(join(folder, 'run.sh'))}`,
  };
}

function readingsCsv(fromMs: number): string {
  const lines = ['TS,Device,Sensor,Value'];
  for (let at = 0; at < HOUR_MS; at += EVERY_MS)
    for (const [i, { device, sensor, mean, noise, wander, hot }] of SENSORS.entries()) {
      const heat = at < HOT_FROM_MS ? 0 : hot * Math.min(1, (at - HOT_FROM_MS) / 120_000);
      const value = mean + noise * noiseAt(i, at) + wander * wanderAt(at / 600_000, i) + heat;
      lines.push(`${isoTime(fromMs + at + i * 200)},${device},${sensor},${value.toFixed(3)}`);
    }
  return `${lines.join('\n')}\n`;
}
