/**
 * Answers that are kept for a while, so that ten people who look at the same page cost as much as one. Several who ask
 * at the same time wait for one answer; one that failed is not kept.
 */
import { LRUCache } from 'lru-cache';

export interface Kept<T> {
  (): Promise<T>;
  /** The next who asks gets a new one. */
  readonly forget: () => void;
}

/** One value, asked for again when it is older than `ms`. */
export function kept<T>(ms: number, load: () => Promise<T>, now: () => number = Date.now): Kept<T> {
  let value: Promise<T> | undefined;
  let atMs = Number.NEGATIVE_INFINITY;
  const get = (): Promise<T> => {
    if (value && now() - atMs < ms) return value;
    atMs = now();
    const loading = load().catch((error: unknown) => {
      if (value === loading) value = undefined;
      throw error;
    });
    value = loading;
    return loading;
  };
  return Object.assign(get, { forget: () => void (value = undefined) });
}

/** Values that never change, by key: the `most` that were asked for last. */
export function keptByKey<T extends object>(
  most: number,
  load: (key: string) => Promise<T>,
): (key: string) => Promise<T> {
  const cache = new LRUCache<string, Promise<T>>({ max: most });
  return (key) => {
    const known = cache.get(key);
    if (known) return known;
    const loading = load(key).catch((error: unknown) => {
      cache.delete(key);
      throw error;
    });
    cache.set(key, loading);
    return loading;
  };
}
