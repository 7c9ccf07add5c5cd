/** Single decisions of the policy, the learning around it, and limits. */
import { nodeOfWorker, workerName } from '../../domain/worker.ts';
import { observation, trackIdle, type PoolView } from '../../pool/loop.ts';
import { firstGuess, justDue, learn, withoutOldTasks } from '../../pool/measure.ts';
import { breakEvenMs, decide } from '../../pool/policy.ts';
import { type Observation } from '../../pool/policy-types.ts';
import { checkLimits, DEFAULT_AZURE_POOL, type PoolSettings } from '../../pool/settings.ts';

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const settings: PoolSettings = {
  ...DEFAULT_AZURE_POOL,
  maxNodes: 5,
  spinUpMs: 6 * MINUTE,
  spinDownMs: 2 * MINUTE,
  marginMs: 30_000,
  idleMs: 2 * MINUTE,
  finishWithinMs: 5 * MINUTE,
  sensorsPerSecond: 100,
};
const seen = (part: Partial<Observation> = {}): Observation => ({
  nowMs: NOW,
  batches: [],
  upcoming: [],
  backlog: { tasks: 0, ageMs: 0 },
  workers: [],
  coming: [],
  leaving: 0,
  spinUpMs: settings.spinUpMs,
  spinDownMs: settings.spinDownMs,
  sensorsPerSecond: 100,
  ...part,
});
const running = (sensorsToGo: number, agoMs = 0): Observation['batches'] => [
  { id: 'b', sensorsToGo, sinceMs: NOW - agoMs, queued: true },
];
const due = (inMs: number, sensors: number): Observation['upcoming'] => [{ schedule: 's', atMs: NOW + inMs, sensors }];
const idle = (count: number, idleForMs = 10 * MINUTE): Observation['workers'] =>
  Array.from({ length: count }, (_, i) => ({ node: `n${i}`, busyTasks: 0, idleForMs }));
const busy = (count: number): Observation['workers'] =>
  Array.from({ length: count }, (_, i) => ({ node: `n${i}`, busyTasks: 1, idleForMs: 0 }));

test('nothing due: zero; all idle nodes go', () => {
  expect(decide(seen(), settings)).toMatchObject({
    target: 0,
    grow: 0,
    drain: [],
    reason: 'nothing is due and no batch is scheduled',
  });
  expect(decide(seen({ workers: idle(2) }), settings)).toMatchObject({ target: 0, drain: ['n0', 'n1'] });
  expect(decide(seen(), { ...settings, minNodes: 2 })).toMatchObject({ target: 2, grow: 2 });
});

test('grows by planned work in the time it has, within limits, and says so', () => {
  // 6 min: spin-up is longer than the 5 asked for
  expect(decide(seen({ batches: running(90_000) }), settings)).toMatchObject({ target: 3, grow: 3 });
  const much = decide(seen({ batches: running(1_000_000) }), settings);
  expect(much).toMatchObject({ target: 5, grow: 5 });
  expect(much.reason).toMatch(
    /1000000 sensors to go in 1 batch; 28 nodes would be needed, the limit is 5; asking for 5 nodes/,
  );
  expect(decide(seen({ batches: running(1) }), settings)).toMatchObject({ grow: 1 });
});

test('no node is asked for that would come too late or find no task', () => {
  const late = { batches: running(40_000), workers: busy(2), backlog: { tasks: 40, ageMs: 0 } };
  // two workers end it in 200 s
  expect(decide(seen(late), { ...settings, finishWithinMs: MINUTE })).toMatchObject({ grow: 0 });
  const taken = { batches: running(400_000), workers: busy(2), backlog: { tasks: 0, ageMs: 0 } };
  expect(decide(seen(taken), settings)).toMatchObject({ grow: 0 });
  expect(decide(seen({ ...taken, backlog: { tasks: 1, ageMs: 0 } }), settings)).toMatchObject({ grow: 1 });
});

test('tasks that no batch explains bring a node; old ones one more', () => {
  expect(decide(seen({ backlog: { tasks: 7, ageMs: 1_000 } }), settings)).toMatchObject({ grow: 1 });
  expect(decide(seen({ backlog: { tasks: 7, ageMs: 6 * MINUTE }, workers: busy(1) }), settings)).toMatchObject({
    grow: 1,
  });
});

test('asks ahead so that nodes are ready, not earlier; low priority earlier', () => {
  const lead = 6.5 * MINUTE;
  expect(decide(seen({ upcoming: due(lead + 1, 60_000) }), settings)).toMatchObject({ grow: 0 });
  expect(decide(seen({ upcoming: due(lead, 60_000) }), settings)).toMatchObject({ target: 2, grow: 2 });
  expect(decide(seen({ upcoming: due(9 * MINUTE, 60_000) }), { ...settings, priority: 'low-priority' })).toMatchObject({
    grow: 2,
  });
  expect(decide(seen({ upcoming: due(lead + 5_000, 60_000) }), settings).waitMs).toBe(15_000);
});

test('batches that overlap add up, those that follow each other share', () => {
  const two = (gap: number): Observation['upcoming'] => [
    ...due(MINUTE, 60_000),
    { schedule: 't', atMs: NOW + MINUTE + gap, sensors: 60_000 },
  ];
  expect(decide(seen({ upcoming: two(0) }), settings).grow).toBe(4);
  expect(decide(seen({ upcoming: two(5 * MINUTE) }), settings).grow).toBe(2);
});

test('keeps warm up to the break-even, or as set, and only as many as the next batch needs', () => {
  expect(breakEvenMs(6 * MINUTE, 2 * MINUTE, settings)).toBe(8.5 * MINUTE);
  expect(breakEvenMs(6 * MINUTE, 2 * MINUTE, { ...settings, pricePerNodeHour: 0.6, wakeCost: 0.05 })).toBe(
    13.5 * MINUTE,
  );
  const at = (inMs: number, part: Partial<PoolSettings> = {}): readonly string[] =>
    decide(seen({ workers: idle(3), upcoming: due(inMs, 60_000) }), { ...settings, ...part }).drain;
  expect(at(8.5 * MINUTE)).toHaveLength(1);
  expect(at(8.5 * MINUTE + 1)).toHaveLength(3);
  expect(at(8 * MINUTE, { keepWarm: 'never' })).toHaveLength(3);
  expect(at(300 * MINUTE, { keepWarm: 'always' })).toHaveLength(1);
  expect(at(20 * MINUTE, { keepWarm: 20 * MINUTE })).toHaveLength(1);
  expect(decide(seen({ workers: idle(3), upcoming: due(8 * MINUTE, 60_000) }), settings).reason).toMatch(
    /keeping warm costs less/,
  );
});

test('a busy worker stays whatever the target, an idle one until it has been idle long enough, queued nodes go first', () => {
  expect(decide(seen({ workers: busy(5) }), { ...settings, maxNodes: 1 })).toMatchObject({ drain: [], cancel: [] });
  expect(decide(seen({ workers: idle(2, 2 * MINUTE - 1) }), settings)).toMatchObject({
    drain: [],
    reason: expect.stringContaining('2 nodes go once idle for 2 min'),
  });
  expect(
    decide(
      seen({
        workers: busy(1),
        coming: [
          { id: 'q', state: 'queued' },
          { id: 's', state: 'starting' },
        ],
      }),
      { ...settings, keepWarm: 'never' },
    ),
  ).toMatchObject({ cancel: ['q'], drain: [] });
  // A worker started by hand takes part of the work and is never stopped.
  expect(
    decide(seen({ workers: [{ busyTasks: 0, idleForMs: 10 * MINUTE }], upcoming: due(MINUTE, 60_000) }), settings),
  ).toMatchObject({ grow: 1, drain: [] });
});

test('a node that is still coming takes the place of no ready one', () => {
  const soon = {
    workers: idle(3),
    coming: [{ id: 's', state: 'starting' as const }],
    upcoming: due(8.5 * MINUTE, 60_000),
  };
  // Two are wanted: two of the three stay, though a fourth comes.
  expect(decide(seen({ ...soon, coming: [] }), settings).drain).toHaveLength(1);
  expect(decide(seen(soon), settings).drain).toHaveLength(1);
  expect(decide(seen({ ...soon, upcoming: [] }), settings).drain).toHaveLength(3);
  expect(decide(seen(soon), settings, 'draining').drain).toHaveLength(3);
  // Runs of the loop from before replay as they were.
  expect(decide(seen(soon), settings, 'active', { readyStay: false }).drain).toHaveLength(2);
});

test('work that needs a little more or less than the nodes there are changes nothing', () => {
  const load = (sensors: number): Partial<Observation> => ({ upcoming: due(MINUTE, sensors), workers: idle(2) });
  for (const sensors of [54_000, 60_000, 62_900])
    expect(decide(seen(load(sensors)), settings)).toMatchObject({ grow: 0, drain: [] });
  expect(decide(seen(load(64_000)), settings)).toMatchObject({ grow: 1 });
  expect(decide(seen(load(22_000)), settings)).toMatchObject({ drain: ['n0'] });
});

test('quota, failures and throttling hold growth back, say why, and never for ever', () => {
  const work = { batches: running(1_000_000) };
  expect(decide(seen({ ...work, capacity: 2 }), settings)).toMatchObject({
    target: 5,
    grow: 2,
    reason: expect.stringContaining('no more than 2 nodes'),
  });
  expect(decide(seen({ ...work, throttledUntilMs: NOW + 10_000 }), settings)).toMatchObject({
    grow: 0,
    reason: expect.stringContaining('Azure asked to wait 10 s'),
  });
  const failing = (inARow: number, agoMs: number): number =>
    decide(seen({ ...work, failures: { inARow, lastMs: NOW - agoMs } }), settings).grow;
  expect([
    failing(1, 14_999),
    failing(1, 15_000),
    failing(3, 59_999),
    failing(3, 60_000),
    failing(40, 299_999),
    failing(40, 300_000),
  ]).toEqual([0, 5, 0, 5, 0, 5]);
});

test('paused: nothing changes; draining: all that is idle goes, busy ones finish', () => {
  expect(decide(seen({ workers: idle(3), batches: running(1_000_000) }), settings, 'paused')).toMatchObject({
    grow: 0,
    drain: [],
    cancel: [],
    target: 3,
  });
  const draining = decide(
    seen({ workers: [...idle(1, 0), { node: 'b', busyTasks: 2, idleForMs: 0 }], batches: running(1_000_000) }),
    { ...settings, minNodes: 1 },
    'draining',
  );
  expect(draining).toMatchObject({ grow: 0, drain: ['n0'], target: 0 });
});

test('limits are checked with name, value and remedy', () => {
  for (const [part, text] of [
    [{ maxNodes: 1.5 }, /maxNodes must be a whole number from 0 to 1000, got 1.5/],
    [{ minNodes: 6 }, /minNodes \(6\) is above maxNodes \(5\)/],
    [{ keepWarm: -1 }, /keepWarm/],
    [{ idleMs: Number.NaN }, /idleMs/],
    [{ finishWithinMs: 0 }, /finishWithinMs/],
  ] as const)
    expect(() => checkLimits({ ...settings, ...part })).toThrow(text);
  const worker = { role: 'scoring', host: 'host', pid: 7 };
  expect(nodeOfWorker(workerName({ ...worker, node: 'scoring-1a2b' }))).toBe('scoring-1a2b');
  expect(nodeOfWorker(workerName(worker))).toBeUndefined();
});

describe('learning between two looks', () => {
  const view = (part: Partial<PoolView> = {}): PoolView => ({
    nowMs: NOW,
    batches: [],
    upcoming: [],
    backlog: { tasks: 0, ageMs: 0 },
    workers: [],
    nodes: [],
    notes: [],
    ...part,
  });

  test('spin-up: the first replaces the guess, a slower one counts at once, a faster one slowly; each once', () => {
    const ready = (id: string, ms: number) => ({
      id,
      state: 'ready' as const,
      requestedAtMs: NOW - ms,
      readyAtMs: NOW,
    });
    const one = learn(firstGuess(settings), { ...view({ nodes: [ready('a', 10_000)] }), workers: [] });
    expect(one).toMatchObject({ spinUpMs: 10_000, spinUps: 1 });
    expect(learn(one, { ...view({ nodes: [ready('a', 10_000)] }), workers: [] })).toMatchObject({
      spinUpMs: 10_000,
      spinUps: 1,
    });
    expect(learn(one, { ...view({ nodes: [ready('a', 10_000), ready('b', 20_000)] }), workers: [] }).spinUpMs).toBe(
      20_000,
    );
    expect(learn(one, { ...view({ nodes: [ready('a', 10_000), ready('b', 0)] }), workers: [] }).spinUpMs).toBe(7_000);
  });

  test('failures in a row count until a node comes up; nodes let go do not count', () => {
    const failed = (id: string) => ({ id, state: 'failed' as const, requestedAtMs: NOW - 5, endedAtMs: NOW });
    const two = learn(firstGuess(settings), {
      ...view({ nodes: [failed('a'), failed('b'), { id: 'c', state: 'ended', requestedAtMs: NOW, endedAtMs: NOW }] }),
      workers: [],
    });
    expect(two.failures).toEqual({ inARow: 2, lastMs: NOW });
    expect(
      learn(two, {
        ...view({ nodes: [{ id: 'd', state: 'ready', requestedAtMs: NOW, readyAtMs: NOW + 1 }] }),
        workers: [],
      }).failures.inARow,
    ).toBe(0);
  });

  test('speed: sensors decided by workers that were busy all the time', () => {
    const at = (nowMs: number, sensorsToGo: number) => ({
      ...view({ nowMs, batches: [{ id: 'b', sensorsToGo, sinceMs: NOW, queued: true }] }),
      workers: busy(2),
    });
    const first = learn(firstGuess(settings), at(NOW, 1_000));
    expect(learn(first, at(NOW + 10_000, 400))).toMatchObject({ sensorsPerSecond: 30, speeds: 1 });
    expect(learn(first, { ...at(NOW + 10_000, 400), workers: busy(1) }).speeds).toBe(0);
  });

  test('a batch that was due a moment ago counts as running until it is seen', () => {
    const before = learn(firstGuess(settings), { ...view({ upcoming: due(1_000, 50) }), workers: [] });
    expect(justDue(before, view({ nowMs: NOW + 2_000 }))).toEqual([
      expect.objectContaining({ sensorsToGo: 50, queued: false }),
    ]);
    expect(
      justDue(
        before,
        view({ nowMs: NOW + 2_000, batches: [{ id: 'b', sensorsToGo: 50, sinceMs: NOW + 1_200, queued: false }] }),
      ),
    ).toEqual([]);
    expect(justDue(before, view({ nowMs: NOW + 20_000 }))).toEqual([]);
  });

  test(
    'tasks that are still counted after the last sensor has its outcome bring no node; ' +
      'those of nobody known do, later',
    () => {
      const at = (nowMs: number, toGo: number[]) =>
        view({
          nowMs,
          batches: toGo.map((sensorsToGo) => ({ id: 'b', sensorsToGo, sinceMs: NOW, queued: true })),
          backlog: { tasks: 7, ageMs: 3_600_000 },
        });
      const before = learn(firstGuess(settings), { ...at(NOW, [10]), workers: busy(1) });
      const seen = (nowMs: number, toGo: number[]) =>
        withoutOldTasks(observation(at(nowMs, toGo), {}, before, settings, undefined), before);
      expect(seen(NOW + 1_000, [10]).backlog.tasks).toBe(7);
      expect(seen(NOW + 1_000, [0]).backlog.tasks).toBe(0);
      expect(decide(seen(NOW + 1_000, []), settings)).toMatchObject({ grow: 0, target: 0 });
      expect(seen(NOW + 31_000, []).backlog.tasks).toBe(7);
      expect(decide(seen(NOW + 31_000, []), settings).grow).toBeGreaterThan(0);
      expect(
        withoutOldTasks(observation(at(NOW, []), {}, firstGuess(settings), settings, undefined), firstGuess(settings))
          .backlog.tasks,
      ).toBe(7);
    },
  );

  test('a worker is idle since the look that first saw it without work, anew after each task', () => {
    const worker = (busyTasks: number, processed: number) => ({
      key: 'k',
      node: 'n',
      startedAtMs: NOW,
      busyTasks,
      processed,
    });
    const one = trackIdle({}, view({ workers: [worker(0, 0)] }));
    const two = trackIdle(one, view({ nowMs: NOW + 5_000, workers: [worker(0, 0)] }));
    const idleFor = (idleSince: typeof one, nowMs: number, processed: number): number => {
      const v = view({
        nowMs,
        workers: [worker(0, processed)],
        nodes: [{ id: 'n', state: 'ready', requestedAtMs: NOW }],
      });
      return observation(v, idleSince, firstGuess(settings), settings, undefined).workers[0]!.idleForMs;
    };
    expect(idleFor(two, NOW + 5_000, 0)).toBe(5_000);
    expect(trackIdle(two, view({ nowMs: NOW + 9_000, workers: [worker(0, 1)] }))).toEqual({
      k: { sinceMs: NOW + 9_000, processed: 1 },
    });
    expect(trackIdle(two, view({ workers: [worker(1, 1)] }))).toEqual({});
  });
});
