/**
 * What nodes cost, from their record: every second of a node's life is charged to exactly one purpose, so the
 * shares of batches add up to the bill. Pure.
 */
import { billedFrom, type NodeRecord } from './ledger.ts';
import { breakEvenMs, nodesFor } from './policy.ts';
import type { PoolSettings } from './settings.ts';
import { HOUR_MS } from '../domain/time.ts';

export interface BatchSpan {
  readonly id: string;
  readonly startedAtMs: number;
  /** Absent while it runs. */
  readonly finishedAtMs?: number;
  readonly sensors: number;
}

export interface Share {
  /** Node time while the batch ran, split evenly with batches that ran at the same time; ms. */
  readonly runMs: number;
  /** Node time before it (spin-up, waiting for it) and after it (idle, going down) that no other batch had; ms. */
  readonly aroundMs: number;
}

export interface Shares {
  readonly batches: ReadonlyMap<string, Share>;
  /** Node time of nodes that never saw a batch; ms. */
  readonly unusedMs: number;
  readonly totalMs: number;
}

/**
 * Charges node time in [fromMs, toMs) to batches. Time before a node's first batch goes to that batch, time after to
 * the one that ended last.
 */
export function shareNodes(
  nodes: readonly NodeRecord[],
  batches: readonly BatchSpan[],
  fromMs: number,
  toMs: number,
): Shares {
  const shares = new Map<string, { runMs: number; aroundMs: number }>(
    batches.map((batch) => [batch.id, { runMs: 0, aroundMs: 0 }]),
  );
  const endOf = (batch: BatchSpan): number => batch.finishedAtMs ?? toMs;
  let unusedMs = 0;
  let totalMs = 0;
  for (const node of nodes) {
    const start = Math.max(fromMs, billedFrom(node));
    const end = Math.min(toMs, node.endedAtMs ?? toMs);
    if (end <= start) continue;
    totalMs += end - start;
    const mine = batches.filter((batch) => batch.startedAtMs < end && endOf(batch) > start);
    if (mine.length === 0) {
      unusedMs += end - start;
      continue;
    }
    const cuts = [...new Set([start, end, ...mine.flatMap((batch) => [batch.startedAtMs, endOf(batch)])])]
      .filter((t) => t >= start && t <= end)
      .sort((a, b) => a - b);
    for (let i = 1; i < cuts.length; i += 1) {
      const [a, b] = [cuts[i - 1]!, cuts[i]!];
      const running = mine.filter((batch) => batch.startedAtMs <= a && endOf(batch) >= b);
      for (const batch of running) shares.get(batch.id)!.runMs += (b - a) / running.length;
      if (running.length > 0) continue;
      const before = mine.filter((batch) => endOf(batch) <= a).sort((x, y) => endOf(y) - endOf(x))[0];
      const next = mine.filter((batch) => batch.startedAtMs >= b).sort((x, y) => x.startedAtMs - y.startedAtMs)[0];
      shares.get((before ?? next)!.id)!.aroundMs += b - a;
    }
  }
  return { batches: shares, unusedMs, totalMs };
}

/** Most nodes that lived at once in [fromMs, toMs). */
export function peakNodes(nodes: readonly NodeRecord[], fromMs: number, toMs: number): number {
  const events = nodes
    .flatMap(
      (node) =>
        [
          [Math.max(fromMs, billedFrom(node)), 1],
          [Math.min(toMs, node.endedAtMs ?? toMs), -1],
        ] as const,
    )
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let now = 0;
  let peak = 0;
  for (const [, step] of events) peak = Math.max(peak, (now += step));
  return peak;
}

/**
 * The same batches in other ways: as many nodes as ever lived, always on; and going to zero after every batch
 * without warm nodes, where each batch wakes the nodes it used, waits for them and pays for their idle time.
 */
export function alternatives(
  nodes: readonly NodeRecord[],
  batches: readonly BatchSpan[],
  fromMs: number,
  toMs: number,
  idleMs: number,
): { readonly alwaysOnMs: number; readonly coldMs: number; readonly spinUpMs: number } {
  const spinUps = nodes
    .filter((node) => node.readyAtMs !== undefined)
    .map((node) => node.readyAtMs! - billedFrom(node))
    .sort((a, b) => a - b);
  const spinUpMs = spinUps[Math.floor(spinUps.length / 2)] ?? 0;
  const coldMs = batches.reduce((sum, batch) => {
    const end = batch.finishedAtMs ?? toMs;
    const used = nodes.filter((node) => billedFrom(node) < end && (node.endedAtMs ?? toMs) > batch.startedAtMs).length;
    return sum + used * (spinUpMs + Math.max(0, end - batch.startedAtMs) + idleMs);
  }, 0);
  return { alwaysOnMs: peakNodes(nodes, fromMs, toMs) * Math.max(0, toMs - fromMs), coldMs, spinUpMs };
}

export const money = (nodeMs: number, pricePerNodeHour: number): number => (nodeMs / HOUR_MS) * pricePerNodeHour;

/** What a batch of `sensors` will cost on a pool: nodes, node time with waking and idling, money. */
export function expectCost(
  sensors: number,
  settings: PoolSettings,
  measured: { readonly spinUpMs: number; readonly sensorsPerSecond: number },
  gapMs?: number,
): { readonly nodes: number; readonly nodeMs: number; readonly money: number; readonly warm: boolean } {
  const nodes =
    sensors === 0
      ? 0
      : Math.min(
          settings.maxNodes,
          Math.max(1, Math.ceil(nodesFor(sensors, settings.finishWithinMs, measured.sensorsPerSecond))),
        );
  const workMs = (sensors / measured.sensorsPerSecond) * 1_000;
  const breakEven = breakEvenMs(measured.spinUpMs, settings.spinDownMs, settings);
  const warm = gapMs !== undefined && gapMs <= breakEven;
  const nodeMs =
    workMs + nodes * (warm ? gapMs : measured.spinUpMs + settings.marginMs + settings.idleMs + settings.spinDownMs);
  return { nodes, nodeMs, money: money(nodeMs, settings.pricePerNodeHour), warm };
}
