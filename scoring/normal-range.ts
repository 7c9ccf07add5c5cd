/**
 * What a model takes for normal, told from its own parameters: for the kinds that packs know the values of one feature
 * at which the score is above 0, the others held where they are. Of any other model nothing is known but its answers,
 * and this says so. Pure: no model runs here.
 */
import { decodeModel, type OnnxModel } from './onnx-proto.ts';
import { readFeatures } from './model-contract.ts';
import type { Threshold } from '../domain/threshold.ts';
import { fusable, PLAIN_KIND } from './packs/kinds.ts';
import { SCALER_OCSVM_RBF, type ScalerOcsvmRbf } from './packs/scaler-ocsvm-rbf.ts';
import { Z_SCORE, type ZScore } from './packs/z-score.ts';

/** Values from, to; infinite where a side has no end. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** A model whose normal values can be told. */
export interface KnownModel {
  readonly kind: typeof Z_SCORE | typeof SCALER_OCSVM_RBF;
  /** Names of its features, in the order of the input. */
  readonly features: readonly string[];
  /** Score of one row of features: normal above 0. */
  readonly score: (row: readonly number[]) => number;
  /**
   * Normal values of a feature while the others stay as in `row`, ascending; none when there are none. Ranges narrower
   * than an eighth of the width of the model's kernel can be missed. A threshold on the score decides instead of the
   * label.
   */
  readonly normal: (row: readonly number[], feature: number, threshold?: Threshold) => readonly Range[];
}

/** A model of which only the answers are known. */
export interface OpaqueModel {
  readonly kind: typeof PLAIN_KIND;
  readonly features: readonly string[];
}

/** @throws FleetscoreError of class `model_corrupt` when it is not a model */
export function readNormal(bytes: Uint8Array): KnownModel | OpaqueModel {
  const features = readFeatures(bytes).map(({ name }) => name);
  return knownModel(decodeModel(bytes), features) ?? { kind: PLAIN_KIND, features };
}

export const isKnown = (model: KnownModel | OpaqueModel): model is KnownModel => model.kind !== PLAIN_KIND;

function knownModel(model: OnnxModel, features: readonly string[]): KnownModel | undefined {
  const found = fusable(model);
  if (found?.fuser.kind === Z_SCORE) return ofZScore(found.parameters as ZScore, features);
  if (found?.fuser.kind === SCALER_OCSVM_RBF) return ofOcsvm(found.parameters as ScalerOcsvmRbf, features);
  return undefined;
}

function ofZScore({ mean, scale, threshold }: ZScore, features: readonly string[]): KnownModel {
  return {
    kind: Z_SCORE,
    features,
    score: ([value]) => threshold - Math.abs((value! - mean) / scale),
    normal(_row, _feature, limit) {
      // Scores above a limit as anomalies are values too near the mean: two ranges, one on either side.
      if (limit?.side === 'above') {
        const inner = Math.abs(scale) * (threshold - limit.value);
        return inner <= 0
          ? [{ from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY }]
          : [
              { from: Number.NEGATIVE_INFINITY, to: mean - inner },
              { from: mean + inner, to: Number.POSITIVE_INFINITY },
            ];
      }
      const reach = Math.abs(scale) * (threshold - (limit?.value ?? 0));
      return reach > 0 ? [{ from: mean - reach, to: mean + reach }] : [];
    },
  };
}

function ofOcsvm(p: ScalerOcsvmRbf, features: readonly string[]): KnownModel {
  const width = p.mean.length;
  const vectors = p.dualCoef.length;
  const z = (row: readonly number[], f: number): number => (row[f]! - p.mean[f]!) / p.scale[f]!;
  /** Squared distance of every support vector in all features but one. */
  const apart = (row: readonly number[], but: number): Float64Array => {
    const sums = new Float64Array(vectors);
    for (let k = 0; k < vectors; k++)
      for (let f = 0; f < width; f++) if (f !== but) sums[k]! += (z(row, f) - p.supportVectors[k * width + f]!) ** 2;
    return sums;
  };
  const along = (sums: Float64Array, f: number, at: number): number => {
    let score = p.intercept;
    for (let k = 0; k < vectors; k++)
      score += p.dualCoef[k]! * Math.exp(p.negGamma * (sums[k]! + (at - p.supportVectors[k * width + f]!) ** 2));
    return score;
  };
  return {
    kind: SCALER_OCSVM_RBF,
    features,
    score: (row) => along(apart(row, 0), 0, z(row, 0)),
    normal(row, f, threshold) {
      const sums = apart(row, f);
      const own = Array.from({ length: vectors }, (_, k) => p.supportVectors[k * width + f]!);
      const ranges = positive((at) => margin(along(sums, f, at), threshold), own, p, threshold);
      return ranges
        .map(({ from, to }) => ({ from: from * p.scale[f]! + p.mean[f]!, to: to * p.scale[f]! + p.mean[f]! }))
        .map(({ from, to }) => (from <= to ? { from, to } : { from: to, to: from }))
        .sort((a, b) => a.from - b.from);
    },
  };
}

/** Above 0 for what is normal. */
function margin(score: number, threshold: Threshold | undefined): number {
  if (!threshold) return score;
  return threshold.side === 'above' ? threshold.value - score : score - threshold.value;
}

/** Most steps of a scan. */
const MOST_STEPS = 20_000;

/**
 * Where a sum of kernels is above 0: looked at in steps finer than a kernel is wide, each crossing halved until it is
 * exact.
 */
function positive(
  score: (at: number) => number,
  centers: readonly number[],
  p: ScalerOcsvmRbf,
  threshold: Threshold | undefined,
): Range[] {
  const kernel = 1 / Math.sqrt(-2 * p.negGamma);
  const weight = p.dualCoef.reduce((sum, dual) => sum + Math.abs(dual), 0);
  // Further out than this all kernels together do not reach what the score lacks there.
  const lack = Math.abs(p.intercept - (threshold?.value ?? 0));
  const reach = kernel + kernel * (lack === 0 ? 40 : Math.sqrt(2 * Math.max(0, Math.log(weight / lack))));
  const low = Math.min(...centers) - reach;
  const high = Math.max(...centers) + reach;
  const steps = Math.min(MOST_STEPS, Math.max(16, Math.ceil(((high - low) / kernel) * 8)));
  const ranges: Range[] = [];
  let from: number | undefined = score(low) > 0 ? Number.NEGATIVE_INFINITY : undefined;
  let before = low;
  for (let i = 1; i <= steps; i++) {
    const at = low + ((high - low) * i) / steps;
    const inside = score(at) > 0;
    if (inside && from === undefined) from = crossing(score, before, at);
    else if (!inside && from !== undefined) {
      ranges.push({ from, to: crossing(score, before, at) });
      from = undefined;
    }
    before = at;
  }
  if (from !== undefined) ranges.push({ from, to: Number.POSITIVE_INFINITY });
  return ranges;
}

/** Where the sign changes between two places. */
function crossing(score: (at: number) => number, a: number, b: number): number {
  const signAtA = score(a) > 0;
  let [low, high] = [a, b];
  for (let i = 0; i < 60 && high - low > Number.EPSILON * Math.max(1, Math.abs(low)); i++) {
    const middle = (low + high) / 2;
    if (score(middle) > 0 === signAtA) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Distance from the nearest normal value: 0 inside, undefined where nothing is normal. In the feature's unit. */
export function beyond(value: number, ranges: readonly Range[]): number | undefined {
  if (ranges.length === 0) return undefined;
  return Math.min(...ranges.map(({ from, to }) => Math.max(0, from - value, value - to)));
}
