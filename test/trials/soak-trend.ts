/** Whether what a soak measures grows: medians of the first and of the last third after the warm-up. */

/** Before it, caches fill and code is compiled. */
export const WARM_UP_SHARE = 0.3;
/** Growth that still counts as flat: the swing of caches and garbage collectors. */
export const FLAT_SHARE = 0.15;

export interface Trend {
  readonly first: number;
  readonly last: number;
  readonly peak: number;
  readonly flat: boolean;
}

/** @param slack growth that is nothing, whatever its share, in the unit of the values */
export function trend(values: readonly number[], slack: number, share = FLAT_SHARE): Trend {
  const warm = values.slice(Math.floor(values.length * WARM_UP_SHARE));
  const third = Math.max(1, Math.floor(warm.length / 3));
  const median = (some: readonly number[]): number => some.toSorted((a, b) => a - b)[some.length >> 1] ?? 0;
  const [first, last] = [median(warm.slice(0, third)), median(warm.slice(-third))];
  const flat = last <= first * (1 + share) || last - first <= slack;
  return { first, last, peak: Math.max(0, ...values), flat };
}
