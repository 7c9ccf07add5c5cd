/** What several kinds of rows share, of either engine: absent instead of null, words instead of codes. */
import { parseThreshold, type Threshold } from '../domain/threshold.ts';
import type { Period } from '../domain/time.ts';
import type { AuditEntry, ChangedOptions, ReleaseLook } from './store.ts';
import { MAX_MESSAGE } from '../domain/limits.ts';

/** A column of a JSON array of strings that we wrote. */
export function parseFeatures(json: string): string[] {
  return JSON.parse(json) as string[];
}

/** What is read of a window beside sensor and start; the order is that of the columns of a block. */
export const SERIES_COLUMNS = { series: 'w.mean, w.count, w.min, w.max, w.last', means: 'w.mean' } as const;

/**
 * Of a period, for windows of any length of a sensor's own: times whose multiple of that length at or before them is
 * the start of the first window that belongs to it, and the end of the last (`startsIn` of domain/windowing.ts).
 */
export const ownStarts = (
  { fromMs, toMs }: Period,
  { fleetMs }: NonNullable<ChangedOptions['own']>,
): [number, number] => [fromMs + fleetMs - 1, toMs + fleetMs - 1];

/** As a column holds it; SQL Server gives long numbers as text. */
export const toWindow = (windowMs: number | string | null): { readonly windowMs?: number } =>
  windowMs === null ? {} : { windowMs: Number(windowMs) };

export interface LookRow {
  readonly features: string;
  readonly windowMs: number | string | null;
}

export const toLook = ({ features, windowMs }: LookRow): ReleaseLook => ({
  features: parseFeatures(features),
  ...toWindow(windowMs),
});

/** As a column holds it: its written form, or nothing. */
export const toThreshold = (text: string | null): { readonly threshold?: Threshold } =>
  text === null ? {} : { threshold: thresholdOf(text) };

/** @throws Error where nobody wrote it: the store is damaged */
export function thresholdOf(text: string): Threshold {
  const threshold = parseThreshold(text);
  if (!threshold) throw new Error(`the store holds a threshold ${JSON.stringify(text)} that nobody wrote`);
  return threshold;
}

/** Rows one transaction of a prune deletes, unless told otherwise. SQL Server locks the whole table from 5,000 on. */
export const DEFAULT_PRUNE_ROWS = 4_000;

/** Texts of an entry of the log of actions, cut to their columns, in the order of those. */
export const auditTexts = ({ by, action, target, detail, result }: Omit<AuditEntry, 'id'>) => ({
  by: by.slice(0, 400),
  action: action.slice(0, 32),
  target: target.slice(0, 400),
  detail: detail.slice(0, MAX_MESSAGE),
  result: result.slice(0, MAX_MESSAGE),
});
