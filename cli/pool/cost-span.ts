/** What a span of time cost, in all and by batch, beside what other ways of running the pool would have cost. */
import { HOUR_MS, isoTime } from '../../domain/time.ts';
import { peakNodes } from '../../pool/cost.ts';
import { formatCount as count } from '../../report/format.ts';
import type { Column } from '../../report/table.ts';
import type { Output } from '../frame/command.ts';
import { facts, table, when } from '../frame/text.ts';
import {
  aroundMs,
  both,
  NO_PRICES,
  perThousand,
  priced,
  runMs,
  sumOf,
  type Amount,
  type Part,
  type Scope,
} from './cost-amount.ts';

const SHOWN_BATCHES = 20;

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

export function spanCost(scope: Scope, parts: readonly Part[], hasPrices: boolean): Output {
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
