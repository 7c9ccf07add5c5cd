/**
 * Which sensors of a simulated fleet are out of order, and how. The kinds are those that batches tell apart;
 * each stands for what a store or a release really looks like then, nothing is faked while scoring.
 */
import { FleetscoreError } from '../domain/errors.ts';

export const FAILURE_KINDS = ['no_data', 'no_model', 'model_missing', 'model_corrupt'] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

/** Sensors of each kind, or a share of the fleet such as `1%`. */
export type FailureCounts = Readonly<Partial<Record<FailureKind, number>>>;

const FORM = `KIND=COUNT or KIND=SHARE%, separated by commas; kinds: ${FAILURE_KINDS.join(', ')}`;

/**
 * Reads `no_data=1%,model_missing=20`.
 * @throws FleetscoreError `INVALID_ARGUMENT`
 */
export function parseFailures(text: string, sensors: number): FailureCounts {
  const counts: Partial<Record<FailureKind, number>> = {};
  for (const part of text.split(',')) {
    const match = /^\s*([a-z_]+)=(\d+(?:\.\d+)?)(%?)\s*$/.exec(part);
    const kind = FAILURE_KINDS.find((name) => name === match?.[1]);
    const number = Number(match?.[2]);
    if (!match || kind === undefined || (match[3] === '' && !Number.isInteger(number)))
      throw new FleetscoreError(
        'INVALID_ARGUMENT',
        `--failures ${JSON.stringify(part)} is not understood. Use ${FORM}, for example no_data=1%,model_missing=20.`,
      );
    counts[kind] = (counts[kind] ?? 0) + (match[3] === '%' ? Math.round((sensors * number) / 100) : number);
  }
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (total > sensors)
    throw new FleetscoreError('INVALID_ARGUMENT', `--failures asks for ${total} sensors, the fleet has ${sensors}.`);
  return counts;
}

/** The kind of a sensor by its index, undefined for a sensor in order. Spread over the whole fleet, exact in number. */
export function failuresOf(counts: FailureCounts, sensors: number): (index: number) => FailureKind | undefined {
  const kinds = FAILURE_KINDS.map((kind) => [kind, counts[kind] ?? 0] as const).filter(([, count]) => count > 0);
  if (kinds.length === 0) return () => undefined;
  const step = coprimeNear(sensors * 0.618, sensors);
  return (index) => {
    let place = (index * step) % sensors;
    for (const [kind, count] of kinds) {
      if (place < count) return kind;
      place -= count;
    }
    return undefined;
  };
}

/** Multiplying by it modulo `modulus` is a permutation that leaves no neighbours together. */
function coprimeNear(wanted: number, modulus: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let step = Math.max(1, Math.floor(wanted));
  while (divisor(step, modulus) !== 1) step++;
  return step;
}
