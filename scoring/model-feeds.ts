/**
 * The tensors that a model is given: one for all features or one for each, and zeros where no result depends on an
 * input.
 */
import ort, { type InferenceSession } from 'onnxruntime-node';
import type { FloatType, ModelPorts, Port } from './model-ports.ts';
import { modelError } from './model-problem.ts';

/** @param values [rows, features], row by row */
export type FeedsOf = (values: Float64Array) => InferenceSession.FeedsType;

/** @throws FleetscoreError `MODEL_WRONG_SHAPE` for an input without use of a type that nothing can stand in for */
export function modelFeeds({ input, idle }: ModelPorts, width: number): FeedsOf {
  const idleTensors = idle.map((port) => ({ name: port.name, of: idleTensor(port) }));
  return (values) => {
    const rows = values.length / width;
    const feeds: Record<string, ort.Tensor> = {};
    if ('name' in input) feeds[input.name] = floats(input.type, values, [rows, width]);
    else
      for (const { name, type, shape, feature } of input) {
        const own = Float64Array.from({ length: rows }, (_, row) => values[row * width + feature]!);
        feeds[name] = floats(type, own, shape?.length === 1 ? [rows] : [rows, 1]);
      }
    for (const { name, of } of idleTensors) feeds[name] = of(rows);
    return feeds;
  };
}

const floats = (type: FloatType, values: Float64Array, dims: readonly number[]): ort.Tensor =>
  type === 'float64'
    ? new ort.Tensor('float64', values, dims)
    : new ort.Tensor('float32', Float32Array.from(values), dims);

const ZEROS: Readonly<Record<string, (length: number) => ort.Tensor['data']>> = {
  float32: (length) => new Float32Array(length),
  float64: (length) => new Float64Array(length),
  int8: (length) => new Int8Array(length),
  uint8: (length) => new Uint8Array(length),
  int16: (length) => new Int16Array(length),
  uint16: (length) => new Uint16Array(length),
  int32: (length) => new Int32Array(length),
  uint32: (length) => new Uint32Array(length),
  int64: (length) => new BigInt64Array(length),
  uint64: (length) => new BigUint64Array(length),
  bool: (length) => new Uint8Array(length),
  string: (length) => Array.from({ length }, () => ''),
};

function idleTensor({ name, type, shape = [''] }: Port): (rows: number) => ort.Tensor {
  const zeros = ZEROS[type];
  const [first, ...rest] = shape;
  if (!zeros || typeof first === 'number')
    throw modelError(
      'model_wrong_shape',
      `the input ${name} (${type}), which no result depends on, cannot be left empty; export the model without it`,
    );
  // A free dimension other than the rows: one of it.
  const inner = rest.map((size) => (size === '' ? 1 : size));
  return (rows) => {
    const dims = [rows, ...inner];
    return new ort.Tensor(type as ort.Tensor.Type, zeros(dims.reduce((a, b) => a * b, 1)), dims);
  };
}
