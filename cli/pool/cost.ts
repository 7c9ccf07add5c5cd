/** `fleetscore cost`: node hours and money from the pool's record, and what other ways would have cost. */
import { FleetscoreError } from '../../domain/errors.ts';
import { HOUR_MS } from '../../domain/time.ts';
import { SCORING_QUEUE } from '../../domain/queues.ts';
import { alternatives, peakNodes, shareNodes, type BatchSpan } from '../../pool/cost.ts';
import { readDecisions, readNodes, recordedPools } from '../../pool/ledger.ts';
import { poolQueues } from '../../pool/queues.ts';
import { loadPrices, priceOf } from '../../pool/prices.ts';
import { DEFAULT_AZURE_POOL, DEFAULT_POOL } from '../../pool/settings.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Output } from '../frame/command.ts';
import { knownBatch } from '../frame/known.ts';
import { periodOf } from '../frame/period.ts';
import type { Context } from '../frame/context.ts';
import { hasEnded } from '../../storage/store.ts';
import type { Part, Scope } from './cost-amount.ts';
import { batchCost } from './cost-batch.ts';
import { spanCost } from './cost-span.ts';

/** Looked at when no times are given. */
const DEFAULT_SPAN_MS = 24 * HOUR_MS;
/** Nodes are started ahead of a batch and go after it: this far around it the record is read. */
const AROUND_MS = 2 * HOUR_MS;

interface CostOptions {
  readonly from?: number;
  readonly to?: number;
  readonly pool?: string;
  readonly prices?: string;
  readonly region?: string;
}

export async function cost(context: Context, options: CostOptions, id: string | undefined): Promise<Output> {
  const { config } = context;
  const asked = await scopeOf(context, options, id);
  const blobs = context.blobs();
  const recorded = await recordedPools(blobs);
  if (options.pool !== undefined && !recorded.includes(options.pool))
    throw new FleetscoreError(
      'POOL_UNKNOWN',
      `there is no record of a pool ${JSON.stringify(options.pool)}. Recorded: ${recorded.join(', ') || 'none'}.`,
    );
  const pools = options.pool === undefined ? recorded : [options.pool];
  const scope = asked.batch ? asked : { ...asked, fromMs: await beginOf(blobs, pools, asked) };
  const file = options.prices ?? config.pool.pricesFile;
  const prices = file === undefined ? undefined : await loadPrices(file);
  const idleMs = config.pool.aml ? DEFAULT_AZURE_POOL.idleMs : (config.pool.idleMs ?? DEFAULT_POOL.idleMs);
  const parts: Part[] = [];
  for (const pool of pools) {
    const nodes = await readNodes(blobs, pool, scope.fromMs, scope.toMs);
    const batches = await batchesOf(context, pool, recorded.length > 1, scope.batches);
    // A pool may have run on machines of several sizes, each with its price.
    for (const some of Map.groupBy(nodes, (node) => `${node.vmSize} ${node.priority}`).values()) {
      const { vmSize, priority } = some[0]!;
      const price = prices ? priceOf(prices, vmSize, priority, options.region ?? config.pool.pricesRegion) : undefined;
      parts.push({
        pool,
        machine: `${vmSize}, ${priority}`,
        nodes: some,
        price,
        shares: shareNodes(some, batches, scope.fromMs, scope.toMs),
        other: alternatives(some, batches, scope.fromMs, scope.toMs, idleMs),
        peak: peakNodes(some, scope.fromMs, scope.toMs),
      });
    }
  }
  return scope.batch
    ? batchCost(scope.batch, parts, prices !== undefined)
    : spanCost(scope, parts, prices !== undefined);
}

/** A record that begins within the time asked for is compared from there on: before it nobody would have paid. */
async function beginOf(blobs: BlobStore, pools: readonly string[], { fromMs, toMs }: Scope): Promise<number> {
  const firsts = await Promise.all(
    pools.map(async (pool) => {
      const [decisions, nodes] = await Promise.all([
        readDecisions(blobs, pool, fromMs, toMs),
        readNodes(blobs, pool, fromMs, toMs),
      ]);
      return Math.min(
        decisions[0]?.atMs ?? Number.POSITIVE_INFINITY,
        nodes[0]?.requestedAtMs ?? Number.POSITIVE_INFINITY,
      );
    }),
  );
  const first = Math.min(...firsts);
  return Number.isFinite(first) ? Math.max(fromMs, first) : fromMs;
}

/** Where there are several pools, a batch is charged for those that its sensors needed. */
async function batchesOf(
  context: Context,
  pool: string,
  several: boolean,
  batches: readonly BatchSpan[],
): Promise<readonly BatchSpan[]> {
  if (!several) return batches;
  const store = await context.store();
  const queues = await poolQueues(context.config);
  const isDefault =
    (queues.get(pool) ?? (pool === context.config.pool.name ? SCORING_QUEUE : undefined)) === SCORING_QUEUE;
  const mine: BatchSpan[] = [];
  for (const batch of batches) {
    const pools = (await store.batchPools(batch.id)).map((one) => one.pool);
    if (pools.length === 0 ? isDefault : pools.includes(pool) || (isDefault && pools.includes(''))) mine.push(batch);
  }
  return mine;
}

async function scopeOf(context: Context, options: CostOptions, id: string | undefined): Promise<Scope> {
  const store = await context.store();
  const now = Date.now();
  const all = async (fromMs: number, toMs: number): Promise<BatchSpan[]> =>
    (await store.listBatches({ limit: 100_000 }))
      .filter((batch) => batch.startedAtMs < toMs && (batch.finishedAtMs ?? now) > fromMs)
      .map((batch) => ({
        id: batch.id,
        startedAtMs: batch.startedAtMs,
        sensors: batch.planned,
        ...(!hasEnded(batch) ? {} : { finishedAtMs: batch.finishedAtMs ?? now }),
      }));
  if (id !== undefined) {
    if (options.from !== undefined || options.to !== undefined)
      throw new FleetscoreError('INVALID_ARGUMENT', 'give either a batch, or --from and --to, not both.');
    const batch = await knownBatch(context, id);
    const fromMs = batch.startedAtMs - AROUND_MS;
    const toMs = Math.min(now, (batch.finishedAtMs ?? now) + AROUND_MS);
    const batches = await all(fromMs, toMs);
    return { fromMs, toMs, batches, batch: batches.find((one) => one.id === id)! };
  }
  const toMs = options.to ?? now;
  const fromMs = options.from ?? toMs - DEFAULT_SPAN_MS;
  periodOf({ from: fromMs, to: toMs });
  return { fromMs, toMs: Math.min(toMs, now), batches: await all(fromMs, toMs) };
}
