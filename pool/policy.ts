/**
 * The scaling policy: how many nodes a pool should have now, and why. A pure function of what is seen and what
 * is set; it keeps no memory, so it survives any restart and reads the same in a replay. Limits always hold;
 * a worker with work is never stopped; work that can be done never waits for a node that nobody asked for.
 */
import type { PoolSettings } from './settings.ts';
import type { ScheduledBatch, Observation, PoolMode, Decision } from './policy-types.ts';
import { type Needs, explain, describeNeed, seconds } from './policy-words.ts';
import { HOUR_MS } from '../domain/time.ts';
import { defined } from '../domain/defined.ts';

/**
 * Hysteresis, in parts of a node: a pool grows when more than this is missing, and shrinks when more than that is too
 * much. Between them it stays as it is.
 */
const GROW_BAND = 0.1;
const SHRINK_BAND = 0.25;

/** Low-priority nodes are allocated late or lost: they are asked for this much earlier. */
const LOW_PRIORITY_LEAD = 1.5;

/** After nodes that came to nothing: the first wait, doubled each time up to the longest. */
const FIRST_BACKOFF_MS = 15_000;

const LONGEST_BACKOFF_MS = 300_000;

/** How long before a batch is due its nodes must be asked for. */
function leadMs(spinUpMs: number, settings: Pick<PoolSettings, 'priority' | 'marginMs'>): number {
  return spinUpMs * (settings.priority === 'low-priority' ? LOW_PRIORITY_LEAD : 1) + settings.marginMs;
}

/**
 * The gap between two batches up to which a node stays: what it would cost to let it go and bring it back
 * (time billed while it goes down, comes up and waits for the batch, and what a wake costs besides), as time.
 */
export function breakEvenMs(
  spinUpMs: number,
  spinDownMs: number,
  settings: Pick<PoolSettings, 'priority' | 'marginMs' | 'wakeCost' | 'pricePerNodeHour'>,
): number {
  const wakeMs = settings.pricePerNodeHour > 0 ? (settings.wakeCost / settings.pricePerNodeHour) * HOUR_MS : 0;
  return spinDownMs + leadMs(spinUpMs, settings) + wakeMs;
}

/** Nodes, with fractions, that score `sensors` within a time. */
export function nodesFor(sensors: number, withinMs: number, sensorsPerSecond: number): number {
  return sensors <= 0 ? 0 : sensors / (sensorsPerSecond * (Math.max(withinMs, 1_000) / 1_000));
}

/** What older runs of the loop did otherwise: they replay with it. */
export interface Rules {
  /** The second half of rule 6. Default true. */
  readonly readyStay?: boolean;
}

/**
 * Rules, in this order:
 * 1. Running batches need nodes for their sensors to go in the time they have left; a batch without any node
 *    gets one. Nodes are added only when tasks wait for them, and they find work for as long as they take to come.
 * 2. Tasks in the queue that no known batch explains need one node; older than `finishWithinMs`, one more.
 * 3. Scheduled batches need nodes from {@link leadMs} before they are due; loads that overlap add up.
 * 4. Nodes that are there stay when the next batch is due within {@link breakEvenMs} (or as `keepWarm` says).
 * 5. Between `minNodes` and `maxNodes`, and what the outside gives. Nothing due: zero, or `minNodes`.
 * 6. Too many: queued nodes are cancelled, then workers idle for at least `idleMs` go, the longest idle first.
 *    A busy worker never goes. A node that is still coming up takes the place of no ready one: of those that are
 *    wanted as many are ready as can be, until it is there.
 * 7. After failures growing waits, 15 s doubled up to 5 min; while throttled nothing is asked for.
 */
export function decide(
  seen: Observation,
  settings: PoolSettings,
  mode: PoolMode = 'active',
  { readyStay = true }: Rules = {},
): Decision {
  const { nowMs, workers } = seen;
  const upcoming = seen.upcoming
    .filter((batch) => batch.atMs > nowMs && batch.sensors > 0)
    .sort((a, b) => a.atMs - b.atMs);
  const nextDueMs = upcoming[0]?.atMs;
  const own = workers.filter((worker) => worker.node !== undefined);
  const alive = own.length + seen.coming.length;
  const base = { waitMs: settings.pollMs, ...defined({ nextDueMs }) };
  if (mode === 'paused')
    return {
      ...base,
      target: alive,
      grow: 0,
      cancel: [],
      drain: [],
      reason: `paused: ${alive} nodes stay as they are`,
    };

  const need = mode === 'draining' ? NOTHING : needs(seen, upcoming, settings, workers.length + seen.coming.length);
  const helpers = workers.length - own.length; // started by hand: they take part of the work
  const floor = mode === 'draining' ? 0 : settings.minNodes;
  const limit = (nodes: number): number =>
    Math.min(settings.maxNodes, Math.max(floor, Math.ceil(nodes - 1e-9) - helpers));
  const wanted = limit(need.some ? Math.max(1, need.nodes - GROW_BAND) : 0);
  const kept = Math.max(
    wanted,
    Math.min(alive, limit(need.some || need.keep > 0 ? Math.max(need.nodes + SHRINK_BAND, need.keep) : 0)),
  );

  const blocked = whyNotGrow(seen, alive);
  const room = Math.max(0, (seen.capacity ?? Number.POSITIVE_INFINITY) - alive);
  const missing = Math.max(0, wanted - alive);
  const grow = blocked ? 0 : Math.min(missing, room);

  let excess = Math.max(0, alive - kept);
  const cancel = seen.coming
    .filter((node) => node.state === 'queued')
    .slice(0, excess)
    .map((node) => node.id);
  excess -= cancel.length;
  const idleLimit = mode === 'draining' ? 0 : settings.idleMs;
  const spare = readyStay ? Math.max(0, own.length - kept) : own.length;
  const drain = own
    .filter((worker) => worker.busyTasks === 0 && worker.idleForMs >= idleLimit)
    .sort((a, b) => b.idleForMs - a.idleForMs)
    .slice(0, Math.min(excess, spare))
    .map((worker) => worker.node!);

  const target = alive < wanted ? wanted : kept;
  const active = alive > 0 || need.some || seen.leaving > 0;
  return {
    ...base,
    target,
    grow,
    cancel,
    drain,
    waitMs: waitFor(active, nextDueMs, seen, settings),
    reason: explain({
      seen,
      settings,
      mode,
      need,
      alive,
      target,
      grow,
      missing,
      drain,
      cancel,
      blocked,
      helpers,
      nextDueMs,
    }),
  };
}

const NOTHING: Needs = { nodes: 0, some: false, keep: 0, why: '' };

function needs(seen: Observation, upcoming: readonly ScheduledBatch[], settings: PoolSettings, present: number): Needs {
  const running = runningNeed(seen, settings, present);
  const lead = leadMs(seen.spinUpMs, settings);
  const soon = upcoming.filter((batch) => batch.atMs <= seen.nowMs + lead);
  const load = peakLoad(running.loads, soon, seen, settings);
  const gap = keepGap(seen, settings);
  const later = upcoming.filter((batch) => batch.atMs <= seen.nowMs + gap);
  const keep = later.length === 0 ? 0 : Math.max(1, peakLoad([], later, seen, settings));
  const nodes = Math.max(load, running.floor);
  return {
    nodes,
    some: running.floor > 0 || soon.length > 0,
    keep,
    why: describeNeed(seen, running.toGo, soon, later, settings),
  };
}

interface Load {
  readonly fromMs: number;
  readonly toMs: number;
  readonly nodes: number;
}

function runningNeed(
  seen: Observation,
  settings: PoolSettings,
  present: number,
): { loads: Load[]; floor: number; toGo: number } {
  const { nowMs, batches, backlog, spinUpMs, sensorsPerSecond: rate } = seen;
  const toGo = batches.reduce((sum, batch) => sum + batch.sensorsToGo, 0);
  const loads = batches
    .filter((batch) => batch.sensorsToGo > 0)
    .map((batch): Load => {
      // The clock of a batch that waits for its readings has not begun.
      const leftMs = batch.queued
        ? Math.max(batch.sinceMs + settings.finishWithinMs - nowMs, spinUpMs, 1_000)
        : settings.finishWithinMs;
      return { fromMs: nowMs, toMs: nowMs + leftMs, nodes: nodesFor(batch.sensorsToGo, leftMs, rate) };
    });
  // Tasks of no batch that is known, and too old: one node more than there are.
  const overdue = toGo <= 0 && backlog.ageMs > settings.finishWithinMs;
  const floor = toGo > 0 || backlog.tasks > 0 ? 1 + (overdue ? present : 0) : 0;
  const sum = loads.reduce((total, load) => total + load.nodes, 0);
  if (sum <= present || present === 0) return { loads, floor, toGo };
  // More than there are: worth it only when they find work for as long as they took to come, and tasks wait for them.
  const queuedToGo = batches.reduce((total, batch) => total + (batch.queued ? 0 : batch.sensorsToGo), 0);
  const spinUpWork = rate * (spinUpMs / 1_000);
  const left = toGo - (seen.workers.length + seen.coming.length / 2) * spinUpWork;
  const waiting = queuedToGo > 0 ? Number.POSITIVE_INFINITY : Math.max(0, backlog.tasks - seen.coming.length);
  const extra = left < present * spinUpWork ? 0 : waiting;
  const scale = Math.min(1, (present + extra) / sum);
  return { loads: loads.map((load) => ({ ...load, nodes: load.nodes * scale })), floor, toGo };
}

/** The highest sum of loads at any moment: batches that overlap add up, those that follow each other do not. */
function peakLoad(
  running: readonly Load[],
  batches: readonly ScheduledBatch[],
  seen: Observation,
  settings: PoolSettings,
): number {
  const loads = [
    ...running,
    ...batches.map((batch): Load => {
      const within = Math.min(settings.finishWithinMs, batch.withinMs ?? Number.POSITIVE_INFINITY);
      return {
        fromMs: batch.atMs,
        toMs: batch.atMs + within,
        nodes: nodesFor(batch.sensors, within, seen.sensorsPerSecond),
      };
    }),
  ];
  return Math.max(
    0,
    ...loads.map(({ fromMs }) =>
      loads.reduce((sum, load) => (load.fromMs <= fromMs && fromMs < load.toMs ? sum + load.nodes : sum), 0),
    ),
  );
}

function keepGap(seen: Observation, settings: PoolSettings): number {
  switch (settings.keepWarm) {
    case 'break-even':
      return breakEvenMs(seen.spinUpMs, seen.spinDownMs, settings);
    case 'never':
      return 0;
    case 'always':
      return Number.POSITIVE_INFINITY;
    default:
      return settings.keepWarm;
  }
}

/** Why nothing is asked for now; undefined when it may be. */
function whyNotGrow(seen: Observation, alive: number): string | undefined {
  const { nowMs, failures, throttledUntilMs, capacity } = seen;
  if (throttledUntilMs !== undefined && throttledUntilMs > nowMs)
    return `Azure asked to wait ${seconds(throttledUntilMs - nowMs)}`;
  if (failures && failures.inARow > 0) {
    const wait = Math.min(FIRST_BACKOFF_MS * 2 ** Math.min(failures.inARow - 1, 20), LONGEST_BACKOFF_MS);
    const left = failures.lastMs + wait - nowMs;
    if (left > 0) return `${failures.inARow} nodes in a row came to nothing; next try in ${seconds(left)}`;
  }
  if (capacity !== undefined && alive >= capacity) return `no more than ${capacity} nodes are to be had now`;
  return undefined;
}

function waitFor(active: boolean, nextDueMs: number | undefined, seen: Observation, settings: PoolSettings): number {
  if (active) return settings.pollMs;
  const toLead =
    nextDueMs === undefined ? Number.POSITIVE_INFINITY : nextDueMs - leadMs(seen.spinUpMs, settings) - seen.nowMs;
  return Math.max(Math.min(settings.pollMs, settings.quietPollMs), Math.min(settings.quietPollMs, toLead));
}
