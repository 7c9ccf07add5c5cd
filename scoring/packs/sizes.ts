/** Sizes that rows and support vectors are padded to, so that few are needed: 1, 2, 3, 4, 6, 8, 12, 16, 24, ... */

/** The least size that holds so many: at most half more. */
export function paddedSize(count: number): number {
  if (count <= 4) return count;
  const power = 2 ** Math.ceil(Math.log2(count));
  return count <= power * 0.75 ? power * 0.75 : power;
}

/** The greatest size up to this many. @param most at least 1 */
export function largestSize(most: number): number {
  if (most <= 4) return most;
  const power = 2 ** Math.floor(Math.log2(most));
  return most >= power * 1.5 ? power * 1.5 : power;
}
