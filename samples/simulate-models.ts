/**
 * Models of the simulated fleet: a StandardScaler and a one-class SVM for every sensor, with parameters of its
 * own, as the converter would write them. The ONNX file of a model is made by putting its parameters into the
 * bytes of another of the same shape, which is a hundred times as fast as writing it anew and gives the same bytes.
 */
import { encodeModel } from '../scoring/onnx-proto.ts';
import { type ScalerOcsvmRbf, scalerOcsvmRbfModel } from '../scoring/packs/scaler-ocsvm-rbf.ts';
import { uniformAt } from './random.ts';
import type { FailureKind } from './simulate-failures.ts';
import { sha256Of } from '../domain/sha256.ts';

export const SIMULATED_FEATURES = ['mean'] as const;

const SEED = 0x51_4d;
/** What the draws of a sensor are for. */
const DRAW = { level: 0, spread: 1, left: 2, right: 3, weight: 4, gamma: 5 } as const;

/** Added to the intercept of models that are out of order: their files must not be those of good ones. */
const OUT_OF_ORDER: Readonly<Partial<Record<FailureKind, number>>> = { model_missing: 1e-6, model_corrupt: 2e-6 };

/** Parameters of sensor `index`: normal is what lies within about 3.5 standard deviations of its level. */
export function simulatedParameters(index: number, failure?: FailureKind): ScalerOcsvmRbf {
  const draw = (what: number): number => uniformAt(SEED, index, what);
  const left = -0.6 - 0.4 * draw(DRAW.left);
  const right = 0.6 + 0.4 * draw(DRAW.right);
  const weight = 0.45 + 0.1 * draw(DRAW.weight);
  const gamma = 0.1 + 0.02 * draw(DRAW.gamma);
  // The boundary: where a reading 3.5 standard deviations out would stand.
  const kernel = (z: number): number =>
    weight * Math.exp(-gamma * (z - left) ** 2) + (1 - weight) * Math.exp(-gamma * (z - right) ** 2);
  return {
    mean: Float64Array.of(5 + 195 * draw(DRAW.level)),
    scale: Float64Array.of(0.1 + 2.9 * draw(DRAW.spread)),
    supportVectors: Float64Array.of(left, right),
    negGamma: -gamma,
    dualCoef: Float64Array.of(weight, 1 - weight),
    intercept: -Math.min(kernel(-3.5), kernel(3.5)) + (failure ? (OUT_OF_ORDER[failure] ?? 0) : 0),
  };
}

const columns = (p: ScalerOcsvmRbf): number[] => [
  p.mean[0]!,
  p.scale[0]!,
  ...p.supportVectors,
  p.negGamma,
  ...p.dualCoef,
  p.intercept,
];

export interface ModelFileOf {
  readonly bytes: Uint8Array;
  /** Of the bytes, hex. */
  readonly sha256: string;
}

/** Gives the ONNX file of a model. The bytes are good until the next call. */
export function createModelWriter(): (parameters: ScalerOcsvmRbf) => ModelFileOf {
  // Every parameter gets a number that stands nowhere else in the file.
  const marks = columns(simulatedParameters(0)).map((_, i) => 1.234567891e-210 * (i + 1));
  const [mean, scale, sv0, sv1, negGamma, dual0, dual1, intercept] = marks as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const model = scalerOcsvmRbfModel(
    {
      mean: Float64Array.of(mean),
      scale: Float64Array.of(scale),
      supportVectors: Float64Array.of(sv0, sv1),
      negGamma,
      dualCoef: Float64Array.of(dual0, dual1),
      intercept,
    },
    SIMULATED_FEATURES,
  );
  const bytes = Buffer.from(encodeModel(model));
  const places = marks.map((mark) => {
    const pattern = Buffer.alloc(8);
    pattern.writeDoubleLE(mark);
    const at = bytes.indexOf(pattern);
    if (at < 0 || bytes.indexOf(pattern, at + 1) >= 0)
      throw new Error('a parameter does not stand once in the file of a model');
    return at;
  });
  return (parameters) => {
    for (const [i, value] of columns(parameters).entries()) bytes.writeDoubleLE(value, places[i]);
    return { bytes, sha256: sha256Of(bytes) };
  };
}
