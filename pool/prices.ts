/**
 * Prices of machines, from a file in the shape of the answers of Azure's retail price API
 * (https://prices.azure.com/api/retail/prices): fetch it for your region, or take the sample to try.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { NodePriority } from './settings.ts';

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
});
const file = z.object({ Items: z.array(item) });

export interface NodePrice {
  readonly perHour: number;
  readonly currency: string;
  readonly region: string;
  readonly vmSize: string;
  readonly priority: NodePriority;
  readonly meter: string;
}

/** @throws FleetscoreError `PRICES_UNREADABLE` that names the file and the field */
export async function loadPrices(path: string): Promise<NodePrice[]> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw unreadable(path, messageOf(error), error);
  }
  const parsed = file.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw unreadable(path, issue ? `${issue.path.join('.')}: ${issue.message}` : 'wrong shape');
  }
  // Pay-as-you-go machines by the hour, Linux: other meters carry licences, reservations or other units.
  return parsed.data.Items.filter(
    (i) =>
      i.type === 'Consumption' &&
      i.unitOfMeasure === '1 Hour' &&
      !/windows/i.test(i.productName) &&
      !/\bspot\b/i.test(`${i.meterName} ${i.skuName}`),
  ).map((i) => ({
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
    `the price file has no ${priority} price of ${vmSize}${region === undefined ? '' : ` in ${region}`}. It has: ${known || 'none'}.`,
  );
}

function unreadable(path: string, why: string, cause?: unknown): FleetscoreError {
  return new FleetscoreError(
    'PRICES_UNREADABLE',
    `the price file ${path} cannot be used (${why}). It takes the JSON of https://prices.azure.com/api/retail/prices: { "Items": [...] }.`,
    { cause },
  );
}
