/** What a row of docs/payloads.md is made of, and what the rows have in common. */
export const ENQUEUED = Date.UTC(2026, 10, 29, 12);
export const TS = '2026-11-29T11:59:58.250Z';
export const AT = Date.parse(TS);
export const good = { ts: TS, device: 'pump-1', sensor: 'temp', value: 21.5 };
export const READING = 'pump-1/temp 21.5';

export interface Shape {
  /** As the page names it; with where it comes from. */
  readonly shape: string;
  readonly from: string;
  readonly body: unknown;
  readonly contentEncoding?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly annotations?: Readonly<Record<string, unknown>>;
  /** `DEVICE/SENSOR VALUE` of each reading, or the reason of what is not taken. */
  readonly plain: readonly string[];
  /** Name, or JSON, of the mapping that takes it. */
  readonly mapping?: string;
  /** Another setting that takes it, without a mapping. */
  readonly set?: { readonly unit?: 's' | 'us' | 'ns'; readonly defaultDevice?: string };
  /** With that mapping or setting. */
  readonly mapped?: readonly string[];
  /** What a person can do where neither helps. */
  readonly remedy?: string;
}

export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
export const text = (value: string): Buffer => Buffer.from(value);
export const hubDevice = { 'iothub-connection-device-id': 'pump-1', 'iothub-enqueuedtime': new Date(AT) };
export const own = (mapping: object): string => JSON.stringify(mapping);
