/**
 * Random numbers as a pure function of their coordinates: the same coordinates give the same number in
 * every run and in any order, so that a feed can start anywhere and go on for ever.
 */

/** A number in [0, 1) from whole-number coordinates (each taken modulo 2^32). */
export function uniformAt(...coordinates: readonly number[]): number {
  let hash = 0x9e3779b9;
  for (const coordinate of coordinates) hash = mix(hash ^ mix(coordinate | 0)) + 0x6d2b79f5;
  return (mix(hash) >>> 0) / 4_294_967_296;
}

/** Standard normal to the eye, but bounded: four uniform draws, within ±√12 (3.46). */
export function noiseAt(...coordinates: readonly number[]): number {
  let sum = 0;
  for (let draw = 0; draw < 4; draw++) sum += uniformAt(...coordinates, draw);
  return (sum - 2) * Math.sqrt(3);
}

/** A smooth curve in [-1, 1] with a random point at every whole `x`. */
export function wanderAt(x: number, ...coordinates: readonly number[]): number {
  const left = Math.floor(x);
  const t = x - left;
  const a = uniformAt(...coordinates, left);
  const b = uniformAt(...coordinates, left + 1);
  return 2 * (a + (b - a) * t * t * (3 - 2 * t)) - 1;
}

/** Whole number in [0, count). */
export function pickAt(count: number, ...coordinates: readonly number[]): number {
  return Math.floor(uniformAt(...coordinates) * count);
}

// The finalizer of MurmurHash3: every bit of the input moves every bit of the output.
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
