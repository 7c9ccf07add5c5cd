/**
 * A process that writes to a store, for the tests of several processes.
 *   node sqlite-writer.ts add FILE PARTITION COMMITS   one reading a commit to each of 20 windows, all shared
 *   node sqlite-writer.ts rewrite FILE PARTITION       puts the commit's number into 3000 windows, for ever
 * Prints `ready`, then the number of every commit that is done.
 */
import { openStore } from '../../storage/open-store.ts';

const [mode, file, partition, commits = '0'] = process.argv.slice(2) as [string, string, string, string?];
const store = await openStore(`sqlite:${file}`);
await store.migrate();
process.stdout.write('ready\n');

const count = mode === 'add' ? Number(commits) : Number.POSITIVE_INFINITY;
for (let n = 0; n < count; n++) {
  const updates =
    mode === 'add'
      ? Array.from({ length: 20 }, (_, i) => ({
          sensorId: 1 + (i % 4),
          startMs: Math.floor(i / 4) * 60_000,
          tsMs: [Math.floor(i / 4) * 60_000 + Number(partition) * 10_000 + n],
          values: [n],
        }))
      : Array.from({ length: 3_000 }, (_, i) => ({
          sensorId: 1 + (i % 100),
          startMs: Math.floor(i / 100) * 60_000,
          tsMs: [Math.floor(i / 100) * 60_000],
          values: [n],
        }));
  await store.commitReadings({
    source: 'processes',
    partition,
    expectedSeq: n - 1,
    throughSeq: n,
    watermarkMs: n,
    updates,
    readings: updates.length,
    late: 0,
    dead: 0,
  });
  process.stdout.write(`${n}\n`);
}
await store.close();
