/** Files of predictions that are not read because later batches scored every window of their time. */
import fc from 'fast-check';
import { withoutShadowed } from '../../scoring/shadowed-sources.ts';
import type { Period } from '../../domain/time.ts';
import { windowsOfSensor, type WindowShape } from '../../domain/windowing.ts';
import type { PredictionSource } from '../../storage/store.ts';

const FLEET: WindowShape = { windowMs: 10, hopMs: 5 };
const OWN = 20;
const [END, NO_GAP] = [120, 1_000];

interface Scored {
  readonly source: PredictionSource;
  /** Where its windows start. */
  readonly starts: readonly number[];
}

/** A batch over a period with a prediction for each of its windows, but for those that start at `gap`. */
function scored(batch: number, [from, length]: readonly [number, number], own: boolean, gap: number): Scored {
  const period = { fromMs: from, toMs: from + length };
  const windowMs = own ? OWN : undefined;
  const { hopMs, leadMs = 0 } = windowsOfSensor(FLEET, windowMs);
  const starts = [];
  for (let start = 0; start + leadMs < period.toMs; start += hopMs)
    if (start + leadMs >= period.fromMs && start !== gap) starts.push(start);
  const source = { batchId: `b${batch}`, ...period, ...(own ? { windowMs } : {}) } as unknown as PredictionSource;
  return { source, starts };
}

const belonging = ({ source, starts }: Scored, { fromMs, toMs }: Period): number[] => {
  const { leadMs = 0 } = windowsOfSensor(FLEET, source.windowMs);
  return starts.filter((start) => start + leadMs >= fromMs && start + leadMs < toMs);
};

async function readFrom(batches: readonly Scored[], period: Period): Promise<Scored[]> {
  const of = (source: PredictionSource): Scored => batches.find((batch) => batch.source === source)!;
  const sources = batches.map(({ source }) => source);
  return (
    await withoutShadowed(sources, period, FLEET, async (source, part) => belonging(of(source), part).length)
  ).map(of);
}

/** Which batch is served for which window. */
const served = (batches: readonly Scored[], period: Period): string[] =>
  [
    ...new Map(
      batches.flatMap((batch) =>
        belonging(batch, period).map((start) => [`${batch.source.windowMs}/${start}`, batch.source.batchId] as const),
      ),
    ),
  ]
    .map(([window, batch]) => `${window} ${batch}`)
    .sort();

test('a period that was scored again and again is read from one file', async () => {
  const again = Array.from({ length: 50 }, (_, i) => scored(i, [0, 60], false, NO_GAP));
  expect(await readFrom(again, { fromMs: 0, toMs: 60 })).toEqual([again[49]]);
  // An hour every five minutes, so to say.
  const sliding = Array.from({ length: 12 }, (_, i) => scored(i, [i * 5, 60], false, NO_GAP));
  expect(await readFrom(sliding, { fromMs: 55, toMs: 115 })).toEqual([sliding[11]]);
  const ofItsOwn = Array.from({ length: 3 }, (_, i) => scored(i, [0, 60], true, NO_GAP));
  expect(await readFrom(ofItsOwn, { fromMs: 0, toMs: 60 })).toEqual([ofItsOwn[2]]);
});

test('whatever is left out, the same is served', async () => {
  const batch = fc.record({
    period: fc.tuple(
      fc.nat(END / 5).map((n) => n * 5),
      fc.integer({ min: 1, max: END }),
    ),
    own: fc.boolean(),
    gap: fc.oneof(
      fc.constant(NO_GAP),
      fc.nat(END / 5).map((n) => n * 5),
    ),
  });
  const asked = fc.tuple(fc.nat(END), fc.integer({ min: 1, max: END }));
  let leftOut = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { maxLength: 12 }), asked, async (made, [fromMs, length]) => {
      const period = { fromMs, toMs: fromMs + length };
      const batches = made
        .map(({ period: of, own, gap }, i) => scored(i, of, own, gap))
        .filter(({ source }) => source.fromMs < period.toMs && source.toMs > period.fromMs);
      const read = await readFrom(batches, period);
      leftOut += batches.length - read.length;
      expect(served(read, period)).toEqual(served(batches, period));
    }),
    { numRuns: 500 },
  );
  expect(leftOut).toBeGreaterThan(50);
});
