/**
 * Prices of machines, from a file in the shape of the answers of Azure's retail price API
 * (https://prices.azure.com/api/retail/prices): fetch it for your region, or take the sample to try.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { FleetscoreError } from '../domain/errors.ts';
import { whyUnreadable } from '../domain/unreadable.ts';
import type { NodePriority } from './settings.ts';
import { defined } from '../domain/defined.ts';

const item = z.object({
  currencyCode: z.string(),
  retailPrice: z.number().nonnegative(),
  unitOfMeasure: z.string(),
  armRegionName: z.string(),
  armSkuName: z.string(),
  meterName: z.string(),
  productName: z.string(),
  skuName: z.string().default(''),
  type: z.string(),
  effectiveStartDate: z.string().optional(),
  effectiveEndDate: z.string().optional(),
});
type Item = z.infer<typeof item>;
const file = z.object({ Items: z.array(item) });

/** Where prices are read from. */
export interface PriceSource {
  /** In the shape of Azure's retail price API. */
  readonly file: string;
  readonly region?: string;
}

/** As it is configured; undefined where no file of prices is. */
export const priceSourceOf = ({
  pricesFile: file,
  pricesRegion: region,
}: {
  readonly pricesFile?: string | undefined;
  readonly pricesRegion?: string | undefined;
}): PriceSource | undefined => (file === undefined ? undefined : { file, ...defined({ region }) });

export interface NodePrice {
  readonly perHour: number;
  readonly currency: string;
  readonly region: string;
  readonly vmSize: string;
  readonly priority: NodePriority;
  readonly meter: string;
}

/**
 * Reservations say "1 Hour" with the price of the whole term, and are of type Reservation; other units are not
 * machines.
 */
const isMachineHour = (i: Item): boolean =>
  i.type === 'Consumption' && /^1 hours?$/i.test(i.unitOfMeasure.trim()) && i.armSkuName !== '';

/**
 * Whether the machine is one of Linux as Azure Machine Learning gives it: not with a licence of Windows, not of Cloud
 * Services (rows with the same armSkuName, at the rate of Windows), not Spot, which the service does not use. As seen
 * in answers of the API in November 2026; its reference names the fields, not the words in them.
 */
const isPlain = (i: Item): boolean =>
  !/windows|cloud ?services/i.test(`${i.productName} ${i.meterName}`) &&
  !/\bspot\b/i.test(`${i.meterName} ${i.skuName}`);

/** Whether the price holds at a moment: rows of the past and of the future stand beside those of today. */
function holds({ effectiveStartDate, effectiveEndDate }: Item, atMs: number): boolean {
  const from = Date.parse(effectiveStartDate ?? '');
  const to = Date.parse(effectiveEndDate ?? '');
  return !(from > atMs) && !(to <= atMs);
}

const startOf = (i: Item): number => Date.parse(i.effectiveStartDate ?? '') || 0;

/**
 * @param nowMs the prices of this moment, epoch ms
 * @throws FleetscoreError `PRICES_UNREADABLE` that names the file and the field
 */
export async function loadPrices(path: string, nowMs: number = Date.now()): Promise<NodePrice[]> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw unreadable(path, whyUnreadable(error), error);
  }
  const parsed = file.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw unreadable(path, issue ? `${issue.path.join('.')}: ${issue.message}` : 'wrong shape');
  }
  // Of two prices that hold for the same machine the newer one comes first.
  const usable = parsed.data.Items.filter((i) => isMachineHour(i) && isPlain(i) && holds(i, nowMs));
  return usable
    .toSorted((a, b) => startOf(b) - startOf(a))
    .map((i) => ({
      perHour: i.retailPrice,
      currency: i.currencyCode,
      region: i.armRegionName,
      vmSize: i.armSkuName,
      meter: i.meterName,
      priority: /low priority/i.test(`${i.meterName} ${i.skuName}`) ? 'low-priority' : 'dedicated',
    }));
}

/** @throws FleetscoreError `PRICE_UNKNOWN` that lists the sizes there are */
export function priceOf(
  prices: readonly NodePrice[],
  vmSize: string,
  priority: NodePriority,
  region?: string,
): NodePrice {
  const ofSize = prices.filter((p) => p.vmSize.toLowerCase() === vmSize.toLowerCase() && p.priority === priority);
  const found = region === undefined ? ofSize[0] : ofSize.find((p) => p.region === region);
  if (found) return found;
  const known = [...new Set(prices.map((p) => `${p.vmSize} (${p.priority}, ${p.region})`))].slice(0, 8).join(', ');
  throw new FleetscoreError(
    'PRICE_UNKNOWN',
    `the price file has no ${priority} price of ${vmSize}${region === undefined ? '' : ` in ${region}`}. ` +
      `It has: ${known || 'none'}.`,
  );
}

function unreadable(path: string, why: string, cause?: unknown): FleetscoreError {
  return new FleetscoreError(
    'PRICES_UNREADABLE',
    `the price file ${path} cannot be used (${why}). It takes the JSON of ` +
      'https://prices.azure.com/api/retail/prices: { "Items": [...] }.',
    { cause },
  );
}
