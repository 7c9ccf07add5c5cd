/**
 * A fixed number of hostile inputs for all that reads bytes of others; `npm run fuzz` tries as many as there is time
 * for.
 */
import { afterAll, beforeAll } from '@jest/globals';
import { tempDir } from '../support/temp.ts';
import { LARGEST, mutated } from './mutate.ts';
import type { Target } from './target.ts';
import { keptSeeds, openTargets } from './targets.ts';

let made = 0;
let targets: Readonly<Record<string, Target>>;
beforeAll(async () => {
  targets = await openTargets(() => tempDir(`fuzz-${++made}`));
});
afterAll(() => Promise.all(Object.values(targets).map(async (target) => target.close?.())));

const COUNTS = {
  parser: 2_000,
  mappings: 500,
  names: 2_000,
  csv: 500,
  avro: 500,
  parquet: 150,
  models: 1_000,
  amqp: 2_000,
  blockLists: 1_000,
  capture: 500,
  manifests: 200,
  frames: 40,
  requests: 40,
  pickles: 40,
} as const;

test.each(Object.entries(COUNTS))('%s: nothing uncaught and nothing unbounded in %i inputs', async (name, count) => {
  const target = targets[name]!;
  const first = [...target.seeds, ...keptSeeds().flatMap((kept) => (kept.target === name ? [kept.bytes] : []))];
  const inputs = Array.from({ length: count }, (_, i) => mutated(target.seeds, i + 1));
  if (target.runAll) return target.runAll([...first, ...inputs]);
  for (const input of first) await target.run(input);
  for (const [i, input] of inputs.entries()) {
    try {
      await target.run(input);
    } catch (error) {
      throw new Error(`seed ${i + 1}: ${String(error)}`, { cause: error });
    }
  }
});

test('every target is tried, and the same seed gives the same input', () => {
  expect(Object.keys(COUNTS)).toEqual(Object.keys(targets));
  const { seeds } = targets['parser']!;
  const inputs = Array.from({ length: 200 }, (_, i) => Buffer.from(mutated(seeds, i)).toString('hex'));
  expect(inputs).toEqual(Array.from({ length: 200 }, (_, i) => Buffer.from(mutated(seeds, i)).toString('hex')));
  expect(new Set(inputs).size).toBeGreaterThan(150);
  expect(Math.max(...inputs.map((input) => input.length / 2))).toBeLessThanOrEqual(LARGEST);
});
