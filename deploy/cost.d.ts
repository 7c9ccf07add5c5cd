export interface PriceItem {
  readonly serviceName?: string;
  readonly armSkuName?: string;
  readonly meterName: string;
  readonly retailPrice: number;
}
export const ESTIMATE: readonly PriceItem[];
export const ASSUMED: Readonly<Record<'tryout' | 'production', object>>;
export function monthly(items: readonly PriceItem[], profile: 'tryout' | 'production'): Record<string, number>;
export function costTable(items: readonly PriceItem[]): string;
