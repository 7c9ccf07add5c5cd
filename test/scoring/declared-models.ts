/** Graphs in the form that ML.NET 5.0.1 writes, which do not say all of themselves. */
import {
  DATA_TYPE,
  doubleTensor,
  encodeModel,
  int64Tensor,
  node,
  type OnnxGraph,
  tensorInfo,
} from '../../scoring/onnx-proto.ts';

const FLOAT = DATA_TYPE.float;
const column = (name: string, type: number = FLOAT): ReturnType<typeof tensorInfo> => tensorInfo(name, type, ['N', 1]);
const double = (name: string, value: number): ReturnType<typeof doubleTensor> =>
  doubleTensor(name, [], Float64Array.of(value));
const ml = { domain: 'ai.onnx.ml' };
const model = (graph: OnnxGraph, features?: readonly string[]): Uint8Array =>
  encodeModel({
    irVersion: 6,
    producerName: 'ML.NET',
    opsetImport: [{ version: 15 }, { ...ml, version: 2 }],
    graph: { name: 'model', ...graph },
    ...(features ? { metadataProps: [{ key: 'fleetscore.features', value: JSON.stringify(features) }] } : {}),
  });

/** score = max - Min, label = score > 4; an input a column, of which two have no use, all handed through. */
export const columns = model({
  node: [
    node('Sub', ['max', 'Min'], ['range']),
    node('Cast', ['four'], ['limit'], { to: FLOAT }),
    node('Sub', ['range', 'limit'], ['over']),
    { ...node('Binarizer', ['over'], ['is_over']), ...ml },
    node('Cast', ['is_over'], ['PredictedLabel.output'], { to: DATA_TYPE.bool }),
    node('Identity', ['range'], ['Score.output']),
    node('Identity', ['Min'], ['Min.output']),
    node('Identity', ['Label'], ['Label.output']),
    node('Identity', ['Device'], ['Device.output']),
  ],
  initializer: [double('four', 4)],
  input: [column('Device', DATA_TYPE.string), column('Label', DATA_TYPE.bool), column('max'), column('Min')],
  output: [
    column('Min.output'),
    column('Label.output', DATA_TYPE.bool),
    column('Device.output', DATA_TYPE.string),
    column('PredictedLabel.output', DATA_TYPE.bool),
    column('Score.output'),
  ],
});

/** Distances to 10 and 20, and the number of the nearer one. */
export const clusters = model({
  node: [
    node('Sub', ['Features', 'centres'], ['apart']),
    node('Abs', ['apart'], ['Score.output']),
    node('ArgMin', ['Score.output'], ['nearest'], { axis: 1, keepdims: 1 }),
    node('Cast', ['nearest'], ['PredictedLabel.output'], { to: 12 }),
  ],
  initializer: [doubleTensor('centres', [1, 2], Float64Array.of(10, 20))],
  input: [column('Features', DATA_TYPE.double)],
  output: [column('PredictedLabel.output', 12), tensorInfo('Score.output', DATA_TYPE.double, ['N', 2])],
});

/** The mean is the score; a text says whether it is over 4. */
export const texts = model({
  node: [
    node('Greater', ['x', 'four'], ['is_over']),
    node('Cast', ['is_over'], ['place'], { to: DATA_TYPE.int64 }),
    {
      ...node('LabelEncoder', ['place'], ['label']),
      ...ml,
      attribute: [
        { name: 'keys_int64s', type: 7, ints: [0, 1] },
        { name: 'values_strings', type: 8, strings: [Buffer.from('inlier'), Buffer.from('outlier')] },
      ],
    },
    node('Identity', ['x'], ['scores']),
  ],
  initializer: [double('four', 4)],
  input: [column('x', DATA_TYPE.double)],
  output: [column('label', DATA_TYPE.string), column('scores', DATA_TYPE.double)],
});

/** A regression: a score and nothing else, of two columns that are not named. */
export const regression = model({
  node: [node('ReduceSum', ['Features', 'axis'], ['Score.output'], { keepdims: 1 })],
  initializer: [int64Tensor('axis', [1], [1])],
  input: [tensorInfo('Features', DATA_TYPE.double, ['N', 2])],
  output: [column('Score.output', DATA_TYPE.double)],
});
