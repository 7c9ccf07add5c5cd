/** A row of values drawn with block characters, for terminals. */
const BARS = '▁▂▃▄▅▆▇█';

/** Values as a row of bars, each as high as its share of the highest (at least of `most`); zero is empty. */
export function bars(values: readonly number[], most = 1): string {
  const top = Math.max(most, ...values);
  return values
    .map((value) => (value === 0 ? ' ' : BARS[Math.min(BARS.length - 1, Math.ceil((value / top) * BARS.length) - 1)]))
    .join('');
}
