/**
 * Parquet files with pages of both versions and every encoding that writers use (fixtures/files/make.py): they give the
 * same readings, and a changed byte gives all of the rows or a refusal, at once.
 */
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FleetscoreError } from '../../domain/errors.ts';
import { readFiles } from '../../ingest/send-files.ts';
import type { SentReading } from '../../ingest/send-readings.ts';
import { FOLDER } from '../support/sent-files.ts';
import { tempDir } from '../support/temp.ts';

const STEPS = 300;
/** Every 17th value is NULL. */
const MISSING = Math.ceil(STEPS / 17);

interface Read {
  readonly readings: readonly SentReading[];
  readonly bad: number;
  readonly missing: number;
}

async function read(path: string): Promise<Read> {
  let bad = 0;
  const input = { name: 'file.parquet', path, stream: createReadStream(path) };
  const { readings, counts } = readFiles([input], { format: {}, onBadRow: () => bad++ });
  const all: SentReading[] = [];
  for await (const reading of readings) all.push(reading);
  return { readings: all, bad, missing: counts().missing };
}

const expected = Array.from({ length: STEPS }, (_, i) => ({
  tsMs: Date.UTC(2026, 10, 23, 14, Math.floor(i / 60), i % 60),
  device: `pump-${Math.floor(i / 100)}`,
  sensor: ['temp', 'flow', 'level'][i % 3],
  value: 20 + ((i * 37) % 100) / 100,
  quality: 'good',
})).filter((_, i) => i % 17 !== 0);

test.each(['pages-v2', 'pages-dictionary', 'pages-plain'])('%s.parquet gives every row', async (name) => {
  expect(await read(`${FOLDER}${name}.parquet`)).toEqual({ readings: expected, bad: 0, missing: MISSING });
});

test.each([
  ['pages-v2', 7],
  ['pages-dictionary', 31],
  ['pages-plain', 41],
])('a changed byte of %s.parquet gives all rows or a refusal', async (name, step) => {
  const path = join(tempDir('parquet-pages'), 'file.parquet');
  const good = readFileSync(`${FOLDER}${name}.parquet`);
  let refused = 0;
  for (let at = 4; at < good.length - 8; at += step) {
    const bytes = Buffer.from(good);
    bytes[at]! ^= at % 2 === 0 ? 0x80 : 0x05;
    writeFileSync(path, bytes);
    try {
      const { readings, bad, missing } = await read(path);
      // A row is a reading, has no value, or is told with its reason.
      expect([at, readings.length + bad + missing]).toEqual([at, STEPS]);
    } catch (error) {
      if (!(error instanceof FleetscoreError)) throw error;
      expect(error.message.length).toBeLessThan(1_000);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(20);
});
