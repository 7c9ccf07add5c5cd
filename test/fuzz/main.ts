/**
 * `npm run fuzz -- --minutes 10`: hostile inputs for all that reads bytes of others, turn by turn, for a time. An input
 * that breaks something is kept as `test/fuzz/seeds/TARGET-SEED.bin`, where every later run and the tests try it first.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { orUsage } from '../../bench/flags.ts';
import { mutated } from './mutate.ts';
import type { Target } from './target.ts';
import { keptSeeds, openTargets } from './targets.ts';

/** An input that keeps its reader busy for longer has no bound that helps, milliseconds. */
const LONGEST_MS = 10_000;
/** Of one target before the next has its turn. */
const TURN_MS = 1_000;

const { minutes, first } = orUsage('npm run fuzz -- [--minutes N] [--seed N]', () => {
  const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } });
  const time = Number(values.minutes ?? '1');
  // Other inputs at every run, unless a run is to be repeated.
  const seed = Number(values.seed ?? Date.now() % 1_000_000_000);
  if (!(time > 0)) throw new Error(`--minutes must be a number above 0, got ${values.minutes}`);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed must be a whole number, got ${values.seed}`);
  return { minutes: time, first: seed };
});

const home = mkdtempSync(join(tmpdir(), 'fleetscore-fuzz-'));
const targets = Object.entries(await openTargets(() => mkdtempSync(join(home, 'target-'))));
const seedsDir = fileURLToPath(new URL('./seeds/', import.meta.url));
const tried = new Map(targets.map(([name]) => [name, { inputs: 0, found: 0, slowestMs: 0 }]));
let largestMiB = 0;

async function attempt(
  name: string,
  input: Uint8Array,
  what: string,
  run: (input: Uint8Array) => unknown,
): Promise<void> {
  const tally = tried.get(name)!;
  const since = performance.now();
  tally.inputs++;
  let problem: string | undefined;
  try {
    await run(input);
  } catch (error) {
    problem = String(error);
  }
  const took = performance.now() - since;
  tally.slowestMs = Math.max(tally.slowestMs, took);
  if (took > LONGEST_MS) problem ??= `it took ${Math.round(took)} ms`;
  largestMiB = Math.max(largestMiB, Math.round(process.memoryUsage.rss() / 2 ** 20));
  if (problem === undefined) return;
  tally.found++;
  writeFileSync(join(seedsDir, `${name}-${what}.bin`), input);
  console.log(`${name}, ${what}: ${problem}`);
}

process.on('uncaughtException', (error) => {
  console.error(`uncaught: ${String(error)}`);
  process.exitCode = 1;
});

console.log(`seed ${first}, ${minutes} min`);
for (const { target, name, bytes } of keptSeeds()) {
  const known = targets.find(([one]) => one === target);
  if (known) await attempt(target, bytes, name.replace(/^[^-]+-|\.bin$/g, ''), known[1].run);
}

/** Many at once; those of a call that failed are tried again one by one, which tells the one that it was. */
async function attemptAll(name: string, { seeds, run, runAll, together = 1 }: Target, from: number): Promise<number> {
  const inputs = Array.from({ length: together }, (_, i) => ({ seed: from + i, bytes: mutated(seeds, from + i) }));
  const passed =
    runAll !== undefined &&
    (await runAll(inputs.map(({ bytes }) => bytes)).then(
      () => true,
      () => false,
    ));
  if (passed) tried.get(name)!.inputs += inputs.length;
  else for (const { seed, bytes } of inputs) await attempt(name, bytes, String(seed), run);
  return from + together;
}

let seed = first;
for (const end = Date.now() + minutes * 60_000; Date.now() < end;)
  for (const [name, target] of targets)
    for (const turn = Date.now() + TURN_MS; Date.now() < turn;) seed = await attemptAll(name, target, seed);

console.log('target       inputs  found  slowest ms');
for (const [name, { inputs, found, slowestMs }] of tried)
  console.log(
    `${name.padEnd(11)} ${String(inputs).padStart(7)} ${String(found).padStart(6)} ` +
      slowestMs.toFixed(0).padStart(11),
  );
console.log(`memory at the most ${largestMiB} MiB`);
await Promise.all(targets.map(async ([, target]) => target.close?.()));
rmSync(home, { recursive: true, force: true });
if ([...tried.values()].some(({ found }) => found > 0)) process.exitCode = 1;
