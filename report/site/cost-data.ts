/** What batches cost, from the record that the pool keeps of its nodes. Empty where no pool keeps one. */
import { money, peakNodes, shareNodes, type Share } from '../../pool/cost.ts';
import { readNodes, recordedPools, type NodeRecord } from '../../pool/ledger.ts';
import { loadPrices, priceOf, type PriceSource } from '../../pool/prices.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import { formatMs, formatTime } from '../format.ts';
import { HOUR_MS } from '../../domain/time.ts';

/** Nodes start ahead of a batch and go after it: this far around it the record is read, ms. */
const AROUND_MS = 2 * HOUR_MS;

export interface CostView {
  /** Time looked at, epoch ms. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly nodes: number;
  readonly peakNodes: number;
  /** Node time by batch, ms. */
  readonly shares: ReadonlyMap<string, Share>;
  readonly totalMs: number;
  /** Node time that no batch had, ms. */
  readonly unusedMs: number;
  /** Absent without prices. */
  readonly rate?: { readonly perHour: number; readonly currency: string };
}

/**
 * @param batches all that ran in the time: node time is split among those that ran at once
 * @returns undefined when the pool has no record of nodes at that time
 */
export async function collectCost(
  blobs: BlobStore,
  batches: readonly Batch[],
  nowMs: number,
  prices?: PriceSource,
): Promise<CostView | undefined> {
  if (batches.length === 0) return undefined;
  const fromMs = Math.min(...batches.map((batch) => batch.startedAtMs)) - AROUND_MS;
  const toMs = Math.min(nowMs, Math.max(...batches.map((batch) => batch.finishedAtMs ?? nowMs)) + AROUND_MS);
  const nodes: NodeRecord[] = [];
  for (const pool of await recordedPools(blobs)) nodes.push(...(await readNodes(blobs, pool, fromMs, toMs)));
  if (nodes.length === 0) return undefined;
  const spans = batches.map(({ id, startedAtMs, finishedAtMs, status, planned }) => ({
    id,
    startedAtMs,
    sensors: planned,
    ...(!hasEnded({ status }) ? {} : { finishedAtMs: finishedAtMs ?? nowMs }),
  }));
  const { batches: shares, totalMs, unusedMs } = shareNodes(nodes, spans, fromMs, toMs);
  const rate = prices && (await rateOf(nodes, prices));
  return {
    fromMs,
    toMs,
    nodes: nodes.length,
    peakNodes: peakNodes(nodes, fromMs, toMs),
    shares,
    totalMs,
    unusedMs,
    ...(rate ? { rate } : {}),
  };
}

/** Node time of machines of several sizes: at their average price. */
async function rateOf(
  nodes: readonly NodeRecord[],
  { file, region }: PriceSource,
): Promise<NonNullable<CostView['rate']>> {
  const prices = await loadPrices(file);
  const found = nodes.map((node) => priceOf(prices, node.vmSize, node.priority, region));
  return { perHour: found.reduce((sum, price) => sum + price.perHour, 0) / found.length, currency: found[0]!.currency };
}

/** For people: money where there are prices, time of nodes otherwise. */
export function formatCost(ms: number, rate: CostView['rate']): string {
  if (!rate)
    return ms < HOUR_MS
      ? formatMs(Math.round(ms / 1_000) * 1_000).replace(/^0 ms$/, '0 s')
      : `${(ms / HOUR_MS).toFixed(2)} h`;
  const amount = money(ms, rate.perHour);
  return `${amount.toFixed(amount !== 0 && amount < 0.1 ? 4 : 2)} ${rate.currency}`;
}

/** A time of the clock, to the second. */
export const formatClock = (ms: number): string => formatTime(Math.floor(ms / 1_000) * 1_000);
