/** Properties of a simulated day: random schedules, slow, failing and lost nodes, quota. */
import fc from 'fast-check';
import { breakEvenMs, nodesFor } from '../../pool/policy.ts';
import { DEFAULT_AZURE_POOL, type PoolSettings } from '../../pool/settings.ts';
import { graceMs, simulate, type World } from './simulate.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const STEP = 15_000;
/** A counterexample is shrunk for a while, not for ever. */
const QUICK = { interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false } as const;

const schedules = fc
  .array(
    fc.record({
      everyMin: fc.constantFrom(5, 10, 15, 30, 60, 120, 360),
      offsetMin: fc.integer({ min: 0, max: 59 }),
      sensors: fc.integer({ min: 1, max: 400_000 }),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((list) =>
    list.map((s, i) => ({
      name: `s${i}`,
      everyMs: s.everyMin * MINUTE,
      offsetMs: s.offsetMin * MINUTE,
      sensors: Math.min(s.sensors, s.everyMin * 8_000),
    })),
  );

const settingsOf = fc
  .record({
    maxNodes: fc.integer({ min: 2, max: 10 }),
    minNodes: fc.constantFrom(0, 0, 0, 1),
    keepWarm: fc.constantFrom<PoolSettings['keepWarm']>('break-even', 'never', 10 * MINUTE),
    priority: fc.constantFrom<PoolSettings['priority']>('dedicated', 'low-priority'),
    spinUpMs: fc.constantFrom(1, 3, 6, 12).map((m) => m * MINUTE),
  })
  .map((part): PoolSettings => ({ ...DEFAULT_AZURE_POOL, sensorsPerSecond: 500, ...part }));

/** Nodes that keep their word, and batches that are all seen coming. */
const steady = (seed: number, list: World['schedules']): World => ({
  seed,
  horizonMs: DAY / 2,
  schedules: list.map((s) => ({ ...s, offsetMs: s.offsetMs + 30 * MINUTE })),
  spinUpFactor: 1,
  spinUpSpread: 0,
  failRate: 0,
  lossPerHour: 0,
  slowest: 1,
  quota: 1_000,
  readingsMs: 30_000,
});

const rough = fc
  .record({
    seed: fc.integer(),
    schedules,
    spinUpFactor: fc.double({ min: 0.5, max: 3, noNaN: true }),
    spinUpSpread: fc.double({ min: 0, max: 0.8, noNaN: true }),
    failRate: fc.constantFrom(0, 0.05, 0.4),
    lossPerHour: fc.constantFrom(0, 0.2, 3),
    slowest: fc.double({ min: 0.3, max: 1, noNaN: true }),
    quota: fc.constantFrom(1, 3, 1_000),
    readingsMs: fc.constantFrom(0, 30_000, 120_000),
  })
  .map((part): World => ({ ...part, horizonMs: DAY }));

/**
 * Work that fits into the nodes there can be, for the part of the time that they are there: they are lost, and come
 * late or not at all.
 */
function fits(world: World, settings: PoolSettings): boolean {
  const lifeMs = world.lossPerHour > 0 ? (60 * MINUTE) / world.lossPerHour : Number.POSITIVE_INFINITY;
  const comingMs = (settings.spinUpMs * world.spinUpFactor) / (1 - world.failRate);
  const there = lifeMs === Number.POSITIVE_INFINITY ? 1 : lifeMs / (lifeMs + comingMs);
  const load = world.schedules.reduce(
    (sum, s) => sum + nodesFor(s.sensors, s.everyMs, settings.sensorsPerSecond * world.slowest),
    0,
  );
  return load < 0.5 * Math.min(settings.maxNodes, world.quota) * there;
}

test('whatever the day brings, limits hold, no worker with work is stopped, and all work is finished', () => {
  fc.assert(
    fc.property(rough, settingsOf, (world, settings) => {
      fc.pre(fits(world, settings));
      const day = simulate(world, settings, STEP);
      expect(day).toMatchObject({ overMax: false, busyDrained: 0, undecided: 0 });
      expect(day.aliveAtEnd).toBeLessThanOrEqual(settings.minNodes);
    }),
    { numRuns: 20, ...QUICK },
  );
});

test('the bill is never above that of a pool of the same size that is always on', () => {
  fc.assert(
    fc.property(rough, settingsOf, (world, settings) => {
      const day = simulate(world, settings, STEP);
      // Nodes on their way out are billed too, besides those that count.
      expect(day.billedMs).toBeLessThanOrEqual(
        day.peak * (DAY + graceMs(world, settings)) + day.starts * settings.spinDownMs,
      );
    }),
    { numRuns: 20, ...QUICK },
  );
});

test('keeping warm never costs more than going down and up for every batch', () => {
  fc.assert(
    // One schedule and nodes that come when they should: where the rule is exact. Batches that overlap share nodes.
    fc.property(fc.integer(), schedules, settingsOf, (seed, list, some) => {
      const settings = { ...some, priority: 'dedicated' } as const;
      const world = steady(seed, list.slice(0, 1));
      fc.pre(fits(world, settings));
      const kept = simulate(world, { ...settings, minNodes: 0, keepWarm: 'break-even' }, STEP);
      const cold = simulate(world, { ...settings, minNodes: 0, keepWarm: 'never' }, STEP);
      // A look every 15 s: a node may stay that much longer for each time it goes.
      expect(kept.billedMs).toBeLessThanOrEqual(cold.billedMs * 1.02 + cold.starts * STEP * 2);
    }),
    { numRuns: 15, ...QUICK },
  );
});

test('nothing flaps: without faults a node is started at the most once for each node a batch needs', () => {
  fc.assert(
    fc.property(fc.integer(), schedules, settingsOf, (seed, list, settings) => {
      const world = steady(seed, list);
      fc.pre(fits(world, settings));
      const day = simulate(world, settings, STEP);
      const needed = day.batches.reduce((sum, batch) => {
        const schedule = list.find((s) => batch.id.startsWith(`${s.name}-`))!;
        const within = Math.min(settings.finishWithinMs, schedule.everyMs);
        return (
          sum +
          Math.min(
            settings.maxNodes,
            Math.max(1, Math.ceil(nodesFor(batch.sensors, within, settings.sensorsPerSecond))),
          )
        );
      }, settings.minNodes);
      expect(day.starts).toBeLessThanOrEqual(needed);
    }),
    { numRuns: 15, ...QUICK },
  );
});

/** A batch that needs a node more than there are, and is done before it has come. */
const OVERTAKEN: World['schedules'][number][] = [
  { name: 's0', everyMs: 5 * MINUTE, offsetMs: 0, sensors: 32_509 },
  { name: 's1', everyMs: 60 * MINUTE, offsetMs: 21 * MINUTE, sensors: 399_981 },
  { name: 's2', everyMs: 5 * MINUTE, offsetMs: 0, sensors: 1 },
];

test('with nodes that keep their word, every batch finds its nodes ready', () => {
  fc.assert(
    fc.property(fc.integer(), schedules, settingsOf, (seed, list, settings) => {
      const world = steady(seed, list);
      fc.pre(fits(world, settings));
      const day = simulate(world, settings, STEP);
      const lead = breakEvenMs(settings.spinUpMs, 0, settings);
      day.batches.forEach((batch, i) => {
        if (batch.sinceMs > lead + 2 * STEP) expect(day.readyAtDue[i]).toBeGreaterThanOrEqual(1);
      });
    }),
    {
      numRuns: 15,
      ...QUICK,
      examples: [
        [
          0,
          OVERTAKEN,
          {
            ...DEFAULT_AZURE_POOL,
            sensorsPerSecond: 500,
            maxNodes: 4,
            minNodes: 0,
            keepWarm: 'break-even',
            priority: 'dedicated',
            spinUpMs: 12 * MINUTE,
          },
        ],
      ],
    },
  );
});
