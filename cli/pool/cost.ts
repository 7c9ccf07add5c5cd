/** `fleetscore cost`: node hours and money from the pool's record, and what other ways would have cost. */
import { FleetscoreError } from '../../domain/errors.ts';
import { HOUR_MS, isoTime } from '../../domain/time.ts';
import { SCORING_QUEUE } from '../../domain/queues.ts';
import { alternatives, money, peakNodes, shareNodes, type BatchSpan, type Shares } from '../../pool/cost.ts';
import { readDecisions, readNodes, recordedPools, type NodeRecord } from '../../pool/ledger.ts';
import { poolQueues } from '../../pool/queues.ts';
import { loadPrices, priceOf, type NodePrice } from '../../pool/prices.ts';
import { DEFAULT_AZURE_POOL, DEFAULT_POOL } from '../../pool/settings.ts';
import { formatCount as count } from '../../report/format.ts';
import type { Column } from '../../report/table.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Output } from '../frame/command.ts';
import { knownBatch } from '../frame/known.ts';
import { periodOf } from '../frame/period.ts';
import type { Context } from '../frame/context.ts';
import { facts, table, when } from '../frame/text.ts';
import { hasEnded } from '../../storage/store.ts';

/** Looked at when no times are given. */
const DEFAULT_SPAN_MS = 24 * HOUR_MS;
/** Nodes are started ahead of a batch and go after it: this far around it the record is read. */
const AROUND_MS = 2 * HOUR_MS;
const SHOWN_BATCHES = 20;

interface CostOptions {
  readonly from?: number;
  readonly to?: number;
  readonly pool?: string;
  readonly prices?: string;
  readonly region?: string;
}

interface Scope {
  readonly fromMs: number;
  readonly toMs: number;
  readonly batch?: BatchSpan;
  readonly batches: readonly BatchSpan[];
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

/** Nodes of one pool and one price, what batches had of them, and what other ways would have taken. */
interface Part {
  readonly pool: string;
  readonly machine: string;
  readonly nodes: readonly NodeRecord[];
  readonly price: NodePrice | undefined;
  readonly shares: Shares;
  readonly other: ReturnType<typeof alternatives>;
  readonly peak: number;
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

/** Node time of several parts, and its money where there are prices. */
interface Amount {
  readonly ms: number;
  readonly money?: number;
  readonly currency?: string;
}

function sumOf(parts: readonly Part[], msOf: (part: Part) => number): Amount {
  const ms = parts.reduce((sum, part) => sum + msOf(part), 0);
  const currency = parts[0]?.price?.currency;
  return currency === undefined
    ? { ms }
    : { ms, currency, money: parts.reduce((sum, part) => sum + money(msOf(part), part.price?.perHour ?? 0), 0) };
}

function priced({ ms, money, currency }: Amount, sensors?: number) {
  return {
    nodeHours: ms / HOUR_MS,
    ...(money === undefined
      ? {}
      : { money, currency, ...(sensors ? { per1000Sensors: (money / sensors) * 1000 } : {}) }),
  };
}

const hours = ({ ms }: Amount): string => `${(ms / HOUR_MS).toFixed(ms < HOUR_MS ? 4 : 2)} node hours`;
const cash = ({ money, currency }: Amount): string => (money === undefined ? '' : `, ${money.toFixed(4)} ${currency}`);
const both = (amount: Amount): string => `${hours(amount)}${cash(amount)}`;
const perThousand = ({ money, currency }: Amount, sensors: number): string | undefined =>
  money === undefined || sensors === 0 ? undefined : `${((money / sensors) * 1000).toFixed(6)} ${currency}`;
const NO_PRICES =
  'No prices: give --prices FILE (deploy/prices.sample.json is an example of its shape), or set ' +
  'FLEETSCORE_PRICES_FILE.';

const runMs =
  (id: string) =>
  (part: Part): number =>
    part.shares.batches.get(id)?.runMs ?? 0;
const aroundMs =
  (id: string) =>
  (part: Part): number =>
    part.shares.batches.get(id)?.aroundMs ?? 0;

function batchCost(batch: BatchSpan, parts: readonly Part[], hasPrices: boolean): Output {
  const running = sumOf(parts, runMs(batch.id));
  const around = sumOf(parts, aroundMs(batch.id));
  const total = sumOf(parts, (part) => runMs(batch.id)(part) + aroundMs(batch.id)(part));
  return {
    data: {
      batch: batch.id,
      sensors: batch.sensors,
      running: priced(running),
      around: priced(around),
      total: priced(total, batch.sensors),
    },
    text: [
      facts([
        ['Batch', batch.id],
        ['Sensors', count(batch.sensors)],
        ['Scoring', both(running)],
        ['Spin-up and idle', both(around)],
        ['Together', both(total)],
        ['Per 1,000 sensors', perThousand(total, batch.sensors)],
      ]),
      ...(total.ms === 0
        ? ['The pool has no record of nodes at that time: workers that were started by hand are not counted.']
        : []),
      ...(hasPrices || total.ms === 0 ? [] : [NO_PRICES]),
    ].join('\n\n'),
  };
}

/** What nodes of a span cost, in all and by batch. */
interface SpanCost {
  readonly sensors: number;
  readonly nodes: number;
  readonly peak: number;
  readonly spinUpMs: number;
  readonly total: Amount;
  readonly unused: Amount;
  readonly alwaysOn: Amount;
  readonly cold: Amount;
  readonly batches: readonly BatchCost[];
}

interface BatchCost {
  readonly batch: Scope['batches'][number];
  readonly run: Amount;
  readonly around: Amount;
  readonly all: Amount;
}

function spanCost(scope: Scope, parts: readonly Part[], hasPrices: boolean): Output {
  const span = reckonSpan(scope, parts);
  const money = hasPrices && span.nodes > 0;
  return {
    data: spanData(scope, parts, span),
    text: [
      spanFacts(scope, span),
      ...(parts.length > 1 ? [poolTable(parts, money)] : []),
      batchTable(span.batches, money),
      ...(hasPrices || span.nodes === 0 ? [] : [NO_PRICES]),
    ].join('\n\n'),
  };
}

function reckonSpan({ fromMs, toMs, batches }: Scope, parts: readonly Part[]): SpanCost {
  const nodes = parts.flatMap((part) => part.nodes);
  return {
    sensors: batches.reduce((sum, batch) => sum + batch.sensors, 0),
    nodes: nodes.length,
    peak: peakNodes(nodes, fromMs, toMs),
    spinUpMs: Math.max(0, ...parts.map((part) => part.other.spinUpMs)),
    total: sumOf(parts, (part) => part.shares.totalMs),
    unused: sumOf(parts, (part) => part.shares.unusedMs),
    alwaysOn: sumOf(parts, (part) => part.other.alwaysOnMs),
    cold: sumOf(parts, (part) => part.other.coldMs),
    batches: [...batches]
      .sort((a, b) => a.startedAtMs - b.startedAtMs)
      .map((batch) => ({
        batch,
        run: sumOf(parts, runMs(batch.id)),
        around: sumOf(parts, aroundMs(batch.id)),
        all: sumOf(parts, (part) => runMs(batch.id)(part) + aroundMs(batch.id)(part)),
      })),
  };
}

function spanData({ fromMs, toMs }: Scope, parts: readonly Part[], span: SpanCost): object {
  return {
    from: isoTime(fromMs),
    to: isoTime(toMs),
    nodes: span.nodes,
    peakNodes: span.peak,
    spinUpMs: span.spinUpMs,
    sensors: span.sensors,
    total: priced(span.total, span.sensors),
    unused: priced(span.unused),
    alwaysOn: priced(span.alwaysOn, span.sensors),
    scaleToZeroWithoutWarmUp: priced(span.cold, span.sensors),
    pools: parts.map((part) => ({
      pool: part.pool,
      machine: part.machine,
      nodes: part.nodes.length,
      peakNodes: part.peak,
      total: priced(sumOf([part], (one) => one.shares.totalMs)),
    })),
    batches: span.batches.map(({ batch, run, around, all }) => ({
      batch: batch.id,
      sensors: batch.sensors,
      running: priced(run),
      around: priced(around),
      total: priced(all, batch.sensors),
    })),
  };
}

function spanFacts({ fromMs, toMs, batches }: Scope, span: SpanCost): string {
  const { total, unused, alwaysOn, cold } = span;
  const whole = (ms: number): number => Math.floor(ms / 1000) * 1000;
  const versus = ({ ms }: Amount): string =>
    total.ms === 0 || ms === 0 ? '' : ` (${(ms / total.ms).toFixed(1)} times)`;
  const spinUp = `spin-up ${(span.spinUpMs / 1000).toFixed(1)} s`;
  return facts([
    ['Time', `${when(whole(fromMs))} to ${when(whole(toMs))} UTC`],
    ['Nodes', span.nodes === 0 ? 'none' : `${span.nodes}, at the most ${span.peak} at once; ${spinUp}`],
    ['Batches', `${batches.length}, ${count(span.sensors)} sensors`],
    ['Used', both(total)],
    ['Per 1,000 sensors', perThousand(total, span.sensors)],
    ['Without a batch', unused.ms > 0 ? both(unused) : undefined],
    ['Always on', `${both(alwaysOn)}${versus(alwaysOn)}`],
    ['To zero, never warm', `${both(cold)}${versus(cold)}`],
  ]);
}

const costColumn = (money: boolean): readonly Column[] => (money ? [{ title: 'Cost', align: 'right' }] : []);
const costCell = (amount: Amount, money: boolean): readonly string[] =>
  money ? [`${amount.money!.toFixed(4)} ${amount.currency}`] : [];

function poolTable(parts: readonly Part[], money: boolean): string {
  return table(
    [
      { title: 'Pool' },
      { title: 'Machine' },
      { title: 'Nodes', align: 'right' },
      { title: 'Node hours', align: 'right' },
      ...costColumn(money),
    ],
    parts.map((part) => {
      const used = sumOf([part], (one) => one.shares.totalMs);
      const hours = (used.ms / HOUR_MS).toFixed(4);
      return [part.pool, part.machine, String(part.nodes.length), hours, ...costCell(used, money)];
    }),
  );
}

function batchTable(batches: readonly BatchCost[], money: boolean): string {
  const secondsOf = ({ ms }: Amount): string => (ms / 1000).toFixed(1);
  return table(
    [
      { title: 'Batch', whole: true },
      { title: 'Sensors', align: 'right', leave: 1 },
      { title: 'Scoring (node s)', align: 'right', leave: 2 },
      { title: 'Spin-up, idle (node s)', align: 'right' },
      ...costColumn(money),
    ],
    batches
      .slice(-SHOWN_BATCHES)
      .map(({ batch, run, around, all }) => [
        batch.id,
        count(batch.sensors),
        secondsOf(run),
        secondsOf(around),
        ...costCell(all, money),
      ]),
    'No batches in this time.',
  );
}
