/** Node time and money of parts of a pool's record, and how they are written. Pure. */
import { HOUR_MS } from '../../domain/time.ts';
import { money, type BatchSpan, type Shares, type alternatives } from '../../pool/cost.ts';
import type { NodeRecord } from '../../pool/ledger.ts';
import type { NodePrice } from '../../pool/prices.ts';

/** What is looked at: a time, and its batches; one of them where only that is asked for. */
export interface Scope {
  readonly fromMs: number;
  readonly toMs: number;
  readonly batch?: BatchSpan;
  readonly batches: readonly BatchSpan[];
}

/** Nodes of one pool and one price, what batches had of them, and what other ways would have taken. */
export interface Part {
  readonly pool: string;
  readonly machine: string;
  readonly nodes: readonly NodeRecord[];
  readonly price: NodePrice | undefined;
  readonly shares: Shares;
  readonly other: ReturnType<typeof alternatives>;
  readonly peak: number;
}

/** Node time of several parts, and its money where there are prices. */
export interface Amount {
  readonly ms: number;
  readonly money?: number;
  readonly currency?: string;
}

export function sumOf(parts: readonly Part[], msOf: (part: Part) => number): Amount {
  const ms = parts.reduce((sum, part) => sum + msOf(part), 0);
  const currency = parts[0]?.price?.currency;
  return currency === undefined
    ? { ms }
    : { ms, currency, money: parts.reduce((sum, part) => sum + money(msOf(part), part.price?.perHour ?? 0), 0) };
}

export function priced({ ms, money, currency }: Amount, sensors?: number) {
  return {
    nodeHours: ms / HOUR_MS,
    ...(money === undefined
      ? {}
      : { money, currency, ...(sensors ? { per1000Sensors: (money / sensors) * 1000 } : {}) }),
  };
}

const hours = ({ ms }: Amount): string => `${(ms / HOUR_MS).toFixed(ms < HOUR_MS ? 4 : 2)} node hours`;
const cash = ({ money, currency }: Amount): string => (money === undefined ? '' : `, ${money.toFixed(4)} ${currency}`);
export const both = (amount: Amount): string => `${hours(amount)}${cash(amount)}`;
export const perThousand = ({ money, currency }: Amount, sensors: number): string | undefined =>
  money === undefined || sensors === 0 ? undefined : `${((money / sensors) * 1000).toFixed(6)} ${currency}`;

export const NO_PRICES =
  'No prices: give --prices FILE (deploy/prices.sample.json is an example of its shape), or set ' +
  'FLEETSCORE_PRICES_FILE.';

/** What a batch had of the nodes of a part while it ran, and around it. */
export const runMs =
  (id: string) =>
  (part: Part): number =>
    part.shares.batches.get(id)?.runMs ?? 0;
export const aroundMs =
  (id: string) =>
  (part: Part): number =>
    part.shares.batches.get(id)?.aroundMs ?? 0;
