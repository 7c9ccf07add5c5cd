/**
 * Rows that show where a pack would score otherwise than its models: readings that come to the numbers in their
 * parameters, their neighbours, readings as sensors round them, and numbers far out or none at all.
 */

/** Operators of scalers, each with a number for every feature. */
export const SCALING = ['Sub', 'Div', 'Mul', 'Add'] as const;

/** What a scaler does with each feature, operator by operator. */
export interface Scaling {
  readonly op: (typeof SCALING)[number];
  /** [F] */
  readonly values: Float64Array;
}

const EXTREMES = [0, 1e6, -1e6, 1e300, -1e300, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** @param scaled by feature, numbers behind the scalers that readings shall come to. Rows of as many columns */
export function probeRows(scaling: readonly Scaling[], scaled: readonly (readonly number[])[]): Float64Array {
  const readings = scaled.map((own, f) =>
    own.flatMap((value, i) => {
      const before = unscaled(scaling, f, value);
      const rounded = i % 2 === 0 ? Math.round(before * 10) / 10 : Math.round(before * 2) / 2;
      return [before, before + Math.abs(before) * 2e-7, rounded];
    }),
  );
  const rows = Array.from({ length: Math.max(...readings.map((own) => own.length)) }, (_, row) =>
    // Features part ways: each begins at another of its probes.
    readings.map((own, f) => own[(row + f * 7) % own.length]!),
  );
  const extremes = EXTREMES.flatMap((value) =>
    readings.length === 1
      ? [[value]]
      : [readings.map(() => value), readings.map((own, f) => (f === 0 ? value : own[0]!))],
  );
  return Float64Array.from([...rows, ...extremes].flat());
}

/** About so many of the numbers, spread over all of them. */
export function some(numbers: readonly number[], most: number): readonly number[] {
  const step = Math.max(1, Math.floor(numbers.length / most));
  return numbers.filter((_, i) => i % step === 0).slice(0, most);
}

/** The reading that the scalers make this number of. */
function unscaled(scaling: readonly Scaling[], feature: number, value: number): number {
  return scaling.reduceRight((x, { op, values }) => {
    const by = values[feature]!;
    if (op === 'Sub') return x + by;
    if (op === 'Add') return x - by;
    return op === 'Div' ? x * by : x / (by || 1);
  }, value);
}
