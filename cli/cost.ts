/** `fleetscore cost`: node hours and money from the pool's record, and what other ways would have cost. */
import { Option, type Command } from 'commander';
import { FleetscoreError } from '../domain/errors.ts';
import { isoTime } from '../domain/time.ts';
import { alternatives, money, peakNodes, shareNodes, type BatchSpan } from '../pool/cost.ts';
import { readNodes, recordedPools, type NodeRecord } from '../pool/ledger.ts';
import { loadPrices, priceOf, type NodePrice } from '../pool/prices.ts';
import { DEFAULT_AZURE_POOL, DEFAULT_POOL } from '../pool/settings.ts';
import { formatCount as count } from '../report/format.ts';
import { action, fromOption, toOption, type Output } from './command.ts';
import type { Context } from './context.ts';
import { facts, table, when } from './text.ts';

const HOUR_MS = 3_600_000;
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

export function registerCost(program: Command): void {
  program
    .command('cost')
    .description('node hours and money of a batch, or of a time (default: the last 24 hours)')
    .argument('[batch]', 'id of a batch')
    .addOption(fromOption('start of the time'))
    .addOption(toOption('end of the time, not included'))
    .option('--pool <name>', 'only this pool (default: all that have a record)')
    .option('--prices <file>', 'price file in the shape of https://prices.azure.com/api/retail/prices (default: FLEETSCORE_PRICES_FILE)')
    .addOption(new Option('--region <name>', 'region of the prices, for example westeurope (default: FLEETSCORE_PRICES_REGION)'))
    .action(action<[string | undefined], CostOptions>(cost));
}

interface Scope {
  readonly fromMs: number;
  readonly toMs: number;
  readonly batch?: BatchSpan;
  readonly batches: readonly BatchSpan[];
}

async function cost(context: Context, options: CostOptions, id: string | undefined): Promise<Output> {
  const { config } = context;
  const scope = await scopeOf(context, options, id);
  const blobs = context.blobs();
  const pools = options.pool === undefined ? await recordedPools(blobs) : [options.pool];
  const nodes = (await Promise.all(pools.map((pool) => readNodes(blobs, pool, scope.fromMs, scope.toMs)))).flat();
  const file = options.prices ?? config.pool.pricesFile;
  const prices = file === undefined ? undefined : await loadPrices(file);
  const price = (node: Pick<NodeRecord, 'vmSize' | 'priority'>): NodePrice | undefined => (prices ? priceOf(prices, node.vmSize, node.priority, options.region ?? config.pool.pricesRegion) : undefined);
  return scope.batch ? batchCost(scope.batch, scope, nodes, price) : spanCost(scope, nodes, price, config.pool.aml ? DEFAULT_AZURE_POOL.idleMs : config.pool.idleMs ?? DEFAULT_POOL.idleMs);
}

async function scopeOf(context: Context, options: CostOptions, id: string | undefined): Promise<Scope> {
  const store = await context.store();
  const now = Date.now();
  const all = async (fromMs: number, toMs: number): Promise<BatchSpan[]> =>
    (await store.listBatches({ limit: 100_000 })).filter((batch) => batch.startedAtMs < toMs && (batch.finishedAtMs ?? now) > fromMs)
      .map((batch) => ({ id: batch.id, startedAtMs: batch.startedAtMs, sensors: batch.planned, ...(batch.status === 'running' ? {} : { finishedAtMs: batch.finishedAtMs ?? now }) }));
  if (id !== undefined) {
    if (options.from !== undefined || options.to !== undefined) throw new FleetscoreError('INVALID_ARGUMENT', 'give either a batch, or --from and --to, not both.');
    const batch = await store.findBatch(id);
    if (!batch) throw new FleetscoreError('BATCH_UNKNOWN', `there is no batch ${JSON.stringify(id)}. \`fleetscore batch list\` shows those there are.`);
    const fromMs = batch.startedAtMs - AROUND_MS;
    const toMs = Math.min(now, (batch.finishedAtMs ?? now) + AROUND_MS);
    const batches = await all(fromMs, toMs);
    return { fromMs, toMs, batches, batch: batches.find((one) => one.id === id)! };
  }
  const toMs = options.to ?? now;
  const fromMs = options.from ?? toMs - DEFAULT_SPAN_MS;
  if (toMs <= fromMs) throw new FleetscoreError('INVALID_ARGUMENT', `--to (${isoTime(toMs)}) must be later than --from (${isoTime(fromMs)}).`);
  return { fromMs, toMs: Math.min(toMs, now), batches: await all(fromMs, toMs) };
}

type PriceOf = (node: Pick<NodeRecord, 'vmSize' | 'priority'>) => NodePrice | undefined;

/** Money of node time that is shared by machines of several sizes: at their average price. */
function rateOf(nodes: readonly NodeRecord[], price: PriceOf): { perHour: number; currency: string } | undefined {
  const found = nodes.map(price);
  const first = found[0];
  return first === undefined ? undefined : { perHour: found.reduce((sum, one) => sum + (one?.perHour ?? 0), 0) / found.length, currency: first.currency };
}

function priced(ms: number, rate: { perHour: number; currency: string } | undefined, sensors?: number) {
  const amount = rate ? money(ms, rate.perHour) : undefined;
  return {
    nodeHours: ms / HOUR_MS,
    ...(amount === undefined ? {} : { money: amount, currency: rate!.currency, ...(sensors ? { per1000Sensors: (amount / sensors) * 1000 } : {}) }),
  };
}

const hours = (ms: number): string => `${(ms / HOUR_MS).toFixed(ms < HOUR_MS ? 4 : 2)} node hours`;
const cash = (ms: number, rate: { perHour: number; currency: string } | undefined): string => (rate ? `, ${money(ms, rate.perHour).toFixed(4)} ${rate.currency}` : '');
const NO_PRICES = 'No prices: give --prices FILE (deploy/prices.sample.json is an example of its shape), or set FLEETSCORE_PRICES_FILE.';

function batchCost(batch: BatchSpan, scope: Scope, nodes: readonly NodeRecord[], price: PriceOf): Output {
  const share = shareNodes(nodes, scope.batches, scope.fromMs, scope.toMs).batches.get(batch.id) ?? { runMs: 0, aroundMs: 0 };
  const total = share.runMs + share.aroundMs;
  const rate = rateOf(nodes, price);
  const per1000 = rate && batch.sensors > 0 ? `${((money(total, rate.perHour) / batch.sensors) * 1000).toFixed(6)} ${rate.currency}` : undefined;
  return {
    data: { batch: batch.id, sensors: batch.sensors, running: priced(share.runMs, rate), around: priced(share.aroundMs, rate), total: priced(total, rate, batch.sensors) },
    text: [
      facts([
        ['Batch', batch.id], ['Sensors', count(batch.sensors)], ['Scoring', `${hours(share.runMs)}${cash(share.runMs, rate)}`],
        ['Spin-up and idle', `${hours(share.aroundMs)}${cash(share.aroundMs, rate)}`], ['Together', `${hours(total)}${cash(total, rate)}`], ['Per 1,000 sensors', per1000],
      ]),
      ...(total === 0 ? ['The pool has no record of nodes at that time: workers that were started by hand are not counted.'] : []), ...(rate || total === 0 ? [] : [NO_PRICES]),
    ].join('\n\n'),
  };
}

function spanCost(scope: Scope, nodes: readonly NodeRecord[], price: PriceOf, idleMs: number): Output {
  const { fromMs, toMs, batches } = scope;
  const shares = shareNodes(nodes, batches, fromMs, toMs);
  const other = alternatives(nodes, batches, fromMs, toMs, idleMs);
  const rate = rateOf(nodes, price);
  const sensors = batches.reduce((sum, batch) => sum + batch.sensors, 0);
  const versus = (ms: number): string => (shares.totalMs === 0 || ms === 0 ? '' : ` (${(ms / shares.totalMs).toFixed(1)} times)`);
  const rows = batches.map((batch) => ({ batch, share: shares.batches.get(batch.id)! })).sort((a, b) => a.batch.startedAtMs - b.batch.startedAtMs);
  return {
    data: {
      from: isoTime(fromMs), to: isoTime(toMs), nodes: nodes.length, peakNodes: peakNodes(nodes, fromMs, toMs), spinUpMs: other.spinUpMs, sensors,
      total: priced(shares.totalMs, rate, sensors), unused: priced(shares.unusedMs, rate),
      alwaysOn: priced(other.alwaysOnMs, rate, sensors), scaleToZeroWithoutWarmUp: priced(other.coldMs, rate, sensors),
      batches: rows.map(({ batch, share }) => ({ batch: batch.id, sensors: batch.sensors, running: priced(share.runMs, rate), around: priced(share.aroundMs, rate), total: priced(share.runMs + share.aroundMs, rate, batch.sensors) })),
    },
    text: [
      facts([
        ['Time', `${when(Math.floor(fromMs / 1000) * 1000)} to ${when(Math.floor(toMs / 1000) * 1000)} UTC`],
        ['Nodes', `${nodes.length}, at the most ${peakNodes(nodes, fromMs, toMs)} at once; spin-up ${(other.spinUpMs / 1000).toFixed(1)} s`],
        ['Batches', `${batches.length}, ${count(sensors)} sensors`], ['Used', `${hours(shares.totalMs)}${cash(shares.totalMs, rate)}`],
        ['Per 1,000 sensors', rate && sensors > 0 ? `${((money(shares.totalMs, rate.perHour) / sensors) * 1000).toFixed(6)} ${rate.currency}` : undefined],
        ['Without a batch', shares.unusedMs > 0 ? `${hours(shares.unusedMs)}${cash(shares.unusedMs, rate)}` : undefined],
        ['Always on', `${hours(other.alwaysOnMs)}${cash(other.alwaysOnMs, rate)}${versus(other.alwaysOnMs)}`],
        ['To zero, never warm', `${hours(other.coldMs)}${cash(other.coldMs, rate)}${versus(other.coldMs)}`],
      ]),
      table(
        [{ title: 'Batch' }, { title: 'Sensors', align: 'right' }, { title: 'Scoring (node s)', align: 'right' }, { title: 'Spin-up, idle (node s)', align: 'right' }],
        rows.slice(-SHOWN_BATCHES).map(({ batch, share }) => [batch.id, count(batch.sensors), (share.runMs / 1000).toFixed(1), (share.aroundMs / 1000).toFixed(1)]), 'No batches in this time.',
      ),
      ...(rate || nodes.length === 0 ? [] : [NO_PRICES]),
    ].join('\n\n'),
  };
}
