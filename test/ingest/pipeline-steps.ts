/** What a partition is sent and what its workers live through, at random: for the property tests of the pipeline. */
import fc from 'fast-check';
import { T0 } from './pipeline-stage.ts';

const reading = fc.record({
  device: fc.constantFrom('a', 'b'),
  sensor: fc.constantFrom('x', 'y'),
  // Few times, so that the same time comes twice, with the same value or another one.
  ts: fc.integer({ min: 0, max: 60 }).map((s) => T0 + s * 700),
  value: fc.integer({ min: -5, max: 5 }),
});
export const streamOf = fc
  .array(fc.array(reading, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 30 })
  // Some events are sent again, later.
  .chain((events) =>
    fc.array(fc.nat(events.length - 1), { maxLength: 8 }).map((again) => [...events, ...again.map((i) => events[i]!)]),
  );

/** What happens to two workers on one partition. */
export type Step =
  | { readonly kind: 'read'; readonly worker: 0 | 1; readonly back: number; readonly count: number }
  | { readonly kind: 'flush' | 'die' | 'dieInFlush' | 'leave' | 'loseAnswer'; readonly worker: 0 | 1 };
const worker = fc.constantFrom(0 as const, 1 as const);
export const stepsOf: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('read' as const),
        worker,
        back: fc.nat(6),
        count: fc.integer({ min: 1, max: 12 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom(
          'flush' as const,
          'die' as const,
          'dieInFlush' as const,
          'leave' as const,
          'loseAnswer' as const,
        ),
        worker,
      }),
    },
  ),
  { maxLength: 14 },
);
