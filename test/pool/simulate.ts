/**
 * A day of a pool on a virtual clock: schedules start batches, chunks wait in a queue, nodes come late, fail,
 * are lost, run at their own speed. The policy decides as in the real loop. Everything follows from one seed.
 */
import { decide } from '../../pool/policy.ts';
import { type Decision, type Observation, type ScheduledBatch } from '../../pool/policy-types.ts';
import type { PoolSettings } from '../../pool/settings.ts';

export interface SimSchedule {
  readonly name: string;
  readonly everyMs: number;
  readonly offsetMs: number;
  readonly sensors: number;
}

export interface World {
  readonly seed: number;
  readonly horizonMs: number;
  readonly schedules: readonly SimSchedule[];
  /** Real spin-up is this times the settings' guess, and varies by up to `spinUpSpread` (0 to 1) of itself. */
  readonly spinUpFactor: number;
  readonly spinUpSpread: number;
  /** Chance that a node comes to nothing. */
  readonly failRate: number;
  /** Chance an hour that a ready node is lost. */
  readonly lossPerHour: number;
  /** Slowest node, as a share of the rated speed. */
  readonly slowest: number;
  /** Nodes the outside gives. */
  readonly quota: number;
  /** A batch's readings are waited for this long. */
  readonly readingsMs: number;
}

interface Node {
  readonly id: string;
  state: 'queued' | 'starting' | 'ready' | 'leaving' | 'gone';
  readyAt: number;
  billedFrom: number;
  billedTo: number;
  fails: boolean;
  speed: number;
  task: { batch: SimBatch; left: number; size: number } | undefined;
  idleSince: number;
  goneAt: number;
}

interface SimBatch {
  readonly id: string;
  readonly sinceMs: number;
  readonly sensors: number;
  queued: boolean;
  tasks: number[];
  toGo: number;
  doneAt: number;
}

export interface DayReport {
  readonly billedMs: number;
  readonly peak: number;
  readonly starts: number;
  readonly failures: number;
  readonly losses: number;
  readonly busyDrained: number;
  readonly overMax: boolean;
  readonly undecided: number;
  readonly batches: readonly SimBatch[];
  /** Ready nodes at the moment each batch was due. */
  readonly readyAtDue: readonly number[];
  readonly aliveAtEnd: number;
  readonly decisions: readonly { readonly atMs: number; readonly decision: Decision }[];
}

const CHUNK = 500;

/** Work that is late may still end after the last batch was due, and nodes that are slow to come fail several times. */
export const graceMs = ({ spinUpFactor }: World, { spinUpMs }: PoolSettings): number =>
  3 * 3_600_000 + 10 * spinUpMs * spinUpFactor;

export function simulate(world: World, settings: PoolSettings, stepMs = 1_000): DayReport {
  let seed = world.seed >>> 0;
  const random = (): number => {
    seed = (seed + 0x6d2b79f5) >>> 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const nodes: Node[] = [];
  const batches: SimBatch[] = [];
  const readyAtDue: number[] = [];
  const decisions: { atMs: number; decision: Decision }[] = [];
  let failures = 0;
  let losses = 0;
  let inARow = 0;
  let lastFailure = 0;
  let busyDrained = 0;
  let overMax = false;
  let peak = 0;
  let lookAt = 0;
  const end = world.horizonMs + graceMs(world, settings);
  let live: Node[] = [];
  let open: SimBatch[] = [];
  const alive = (): Node[] => live.filter((node) => node.state !== 'gone');
  const add = (node: Node): void => {
    nodes.push(node);
    live.push(node);
  };
  const close = (node: Node, at: number): void => {
    node.state = 'gone';
    node.billedTo = at;
    if (node.task) node.task.batch.tasks.push(node.task.size);
    node.task = undefined;
  };

  for (let now = 0; now <= end; now += stepMs) {
    live = alive();
    open = open.filter((batch) => batch.toGo > 0);
    for (const s of world.schedules)
      if (now <= world.horizonMs && now >= s.offsetMs && (now - s.offsetMs) % s.everyMs === 0) {
        const batch: SimBatch = {
          id: `${s.name}-${now}`,
          sinceMs: now,
          sensors: s.sensors,
          queued: false,
          tasks: [],
          toGo: s.sensors,
          doneAt: -1,
        };
        batches.push(batch);
        open.push(batch);
        readyAtDue.push(live.filter((node) => node.state === 'ready').length);
      }
    for (const batch of open)
      if (!batch.queued && now >= batch.sinceMs + world.readingsMs) {
        batch.queued = true;
        for (let left = batch.sensors; left > 0; left -= CHUNK) batch.tasks.push(Math.min(CHUNK, left));
      }
    // The outside: allocates up to its quota, in order; brings nodes up; loses some.
    let allocated = live.filter(
      (node) => node.state === 'starting' || node.state === 'ready' || node.state === 'leaving',
    ).length;
    for (const node of alive()) {
      if (node.state === 'queued' && allocated < world.quota) {
        allocated += 1;
        node.state = 'starting';
        node.billedFrom = now;
        node.readyAt = now + settings.spinUpMs * world.spinUpFactor * (1 - world.spinUpSpread * random());
      }
      if (node.state === 'starting' && now >= node.readyAt) {
        if (node.fails) {
          failures += 1;
          inARow += 1;
          lastFailure = now;
          close(node, now);
        } else {
          inARow = 0;
          node.state = 'ready';
          node.idleSince = now;
        }
      }
      if (node.state === 'ready' && random() < (world.lossPerHour * stepMs) / 3_600_000) {
        losses += 1;
        close(node, now);
      }
      if (node.state === 'leaving' && now >= node.goneAt) close(node, now);
    }
    // Workers: take the oldest chunk, score it at their speed.
    for (const node of live)
      if (node.state === 'ready') {
        let budget = (node.speed * settings.sensorsPerSecond * stepMs) / 1_000;
        while (budget > 0) {
          if (!node.task) {
            const batch = open.find((b) => b.queued && b.tasks.length > 0);
            if (!batch) break;
            const size = batch.tasks.shift()!;
            node.task = { batch, left: size, size };
          }
          const done = Math.min(budget, node.task.left);
          budget -= done;
          node.task.left -= done;
          if (node.task.left <= 0) {
            const { batch, size } = node.task;
            batch.toGo -= size;
            if (batch.toGo === 0) batch.doneAt = now;
            node.task = undefined;
            node.idleSince = now;
          }
        }
      }
    // The loop of the pool.
    if (now >= lookAt) {
      const seen = observe(now, world, settings, live, open, inARow, lastFailure);
      const decision = decide(seen, settings);
      decisions.push({ atMs: now, decision });
      lookAt = now + Math.max(stepMs, decision.waitMs);
      for (let i = 0; i < decision.grow; i += 1)
        add({
          id: `n${nodes.length}`,
          state: 'queued',
          readyAt: 0,
          billedFrom: 0,
          billedTo: 0,
          fails: random() < world.failRate,
          speed: world.slowest + (1 - world.slowest) * random(),
          task: undefined,
          idleSince: 0,
          goneAt: 0,
        });
      for (const id of decision.cancel) {
        const node = live.find((n) => n.id === id)!;
        if (node.state === 'queued') node.state = 'gone';
      }
      for (const id of decision.drain) {
        const node = live.find((n) => n.id === id)!;
        if (node.task) busyDrained += 1;
        node.state = 'leaving';
        node.goneAt = now + settings.spinDownMs;
      }
    }
    const up = alive().filter((node) => node.state !== 'leaving').length;
    peak = Math.max(peak, up);
    overMax ||= up > settings.maxNodes;
  }
  const aliveAtEnd = alive().length;
  for (const node of alive()) {
    if (node.state === 'queued') node.billedFrom = end;
    close(node, end);
  }
  return {
    billedMs: nodes.reduce(
      (sum, node) => sum + (node.billedFrom === 0 && node.billedTo === 0 ? 0 : node.billedTo - node.billedFrom),
      0,
    ),
    peak,
    starts: nodes.length,
    failures,
    losses,
    busyDrained,
    overMax,
    undecided: batches.reduce((sum, b) => sum + b.toGo, 0),
    batches,
    readyAtDue,
    aliveAtEnd,
    decisions,
  };
}

function observe(
  nowMs: number,
  world: World,
  settings: PoolSettings,
  nodes: readonly Node[],
  batches: readonly SimBatch[],
  inARow: number,
  lastFailure: number,
): Observation {
  const upcoming: ScheduledBatch[] = world.schedules.flatMap((s) => {
    const next = s.offsetMs + Math.ceil(Math.max(0, nowMs - s.offsetMs + 1) / s.everyMs) * s.everyMs;
    return [0, 1, 2, 3]
      .map((i) => next + i * s.everyMs)
      .filter((atMs) => atMs <= world.horizonMs)
      .map((atMs) => ({ schedule: s.name, atMs, sensors: s.sensors, withinMs: s.everyMs }));
  });
  const open = batches.filter((batch) => batch.toGo > 0);
  return {
    nowMs,
    upcoming,
    batches: open.map((batch) => ({
      id: batch.id,
      sensorsToGo: batch.toGo,
      sinceMs: batch.sinceMs + (batch.queued ? world.readingsMs : 0),
      queued: batch.queued,
    })),
    backlog: {
      tasks: open.reduce((sum, batch) => sum + batch.tasks.length, 0),
      ageMs: Math.max(0, ...open.filter((b) => b.tasks.length > 0).map((b) => nowMs - b.sinceMs - world.readingsMs)),
    },
    workers: nodes
      .filter((node) => node.state === 'ready')
      .map((node) => ({
        node: node.id,
        busyTasks: node.task ? 1 : 0,
        idleForMs: node.task ? 0 : nowMs - node.idleSince,
      })),
    coming: nodes
      .filter((node) => node.state === 'queued' || node.state === 'starting')
      .map((node) => ({ id: node.id, state: node.state as 'queued' | 'starting' })),
    leaving: nodes.filter((node) => node.state === 'leaving').length,
    spinUpMs: settings.spinUpMs * world.spinUpFactor,
    spinDownMs: settings.spinDownMs,
    sensorsPerSecond: settings.sensorsPerSecond,
    failures: { inARow, lastMs: lastFailure },
    ...(world.quota < settings.maxNodes && nodes.some((node) => node.state === 'queued')
      ? { capacity: nodes.filter((n) => n.state !== 'gone').length }
      : {}),
  };
}
