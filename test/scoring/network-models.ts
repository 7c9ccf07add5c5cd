/** Dense networks in the forms that torch's two exporters and Keras give them, with weights drawn from a seed. */
import {
  ATTRIBUTE_TYPE,
  DATA_TYPE,
  doubleTensor,
  encodeModel,
  int64Tensor,
  node,
  type OnnxNode,
  type OnnxTensor,
  tensorInfo,
  tensorOf,
} from '../../scoring/onnx-proto.ts';

export interface NetworkForm {
  /** Columns of the layers, those of the input first and last. */
  readonly layers: readonly number[];
  readonly activation: string;
  readonly exporter: 'dynamo' | 'torchscript' | 'keras';
  readonly isDouble: boolean;
  /** Scores [N], not [N, 1]. */
  readonly isFlat: boolean;
  /** Absent: a threshold decides. `outlier` is 1 for an anomaly, and must be declared. */
  readonly label?: 'scikit-learn' | 'outlier' | 'boolean';
  readonly isScaled: boolean;
}

/** @param draw numbers between -1 and 1 @param change what is done to the operators */
export function networkBytes(
  form: NetworkForm,
  draw: () => number,
  features: readonly string[],
  change: (nodes: readonly OnnxNode[]) => readonly OnnxNode[] = (nodes) => nodes,
): Uint8Array {
  const { layers, exporter, isDouble, isFlat, label } = form;
  const width = layers[0]!;
  const type = isDouble ? DATA_TYPE.double : DATA_TYPE.float;
  // Keras counts its names up from model to model, and shares constants that are equal.
  const prefix = exporter === 'keras' ? `functional_${Math.floor(Math.abs(draw()) * 1e6)}/` : '';
  const initializer: OnnxTensor[] = [];
  const nodes: OnnxNode[] = [];
  const named = (name: string, tensor: OnnxTensor): string => {
    const full = `${prefix}${name}`;
    if (exporter === 'torchscript' && (tensor.dims ?? []).length === 0)
      nodes.push({
        opType: 'Constant',
        output: [full],
        attribute: [{ name: 'value', type: ATTRIBUTE_TYPE.tensor, t: tensor }],
      });
    else initializer.push({ ...tensor, name: full });
    return full;
  };
  const numbers = (name: string, dims: readonly number[], of: () => number): string => {
    const values = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, of);
    return named(
      name,
      isDouble ? doubleTensor('', dims, Float64Array.from(values)) : tensorOf('', dims, Float32Array.from(values)),
    );
  };
  const then = (each: OnnxNode): string => {
    nodes.push(each);
    return each.output![0]!;
  };
  let x = 'input';
  if (form.isScaled) {
    x = then(node('Sub', [x, numbers('mean', [width], () => draw() * 10)], [`${prefix}centered`]));
    x = then(node('Div', [x, numbers('scale', [1, width], () => 1 + Math.abs(draw()))], [`${prefix}scaled`]));
  }
  const from = x;
  for (const [at, columns] of layers.slice(1).entries()) {
    const terms = layers[at]!;
    const to = `${prefix}dense_${at}`;
    const weight = (): number => draw() / Math.sqrt(terms);
    if (exporter === 'keras') {
      x = then(node('MatMul', [x, numbers(`kernel_${at}`, [terms, columns], weight)], [`${to}_product`]));
      x = then(node('Add', [x, numbers(`bias_${at}`, [columns], draw)], [to]));
    } else {
      const operands = [x, numbers(`weight_${at}`, [columns, terms], weight), numbers(`bias_${at}`, [columns], draw)];
      const one = (name: string): object => ({ name, type: ATTRIBUTE_TYPE.float, f: 1 });
      const gemm = node('Gemm', operands, [to], { transB: 1 });
      x = then({ ...gemm, attribute: [...gemm.attribute!, one('alpha'), one('beta')] });
    }
    if (at < layers.length - 2) x = then(node(form.activation, [x], [`${to}_active`]));
  }
  x = then(node('Sub', [x, from], [`${prefix}errors`]));
  x =
    exporter === 'keras'
      ? then(node('Mul', [x, x], [`${prefix}squares`]))
      : then(node('Pow', [x, numbers('two', [], () => 2)], [`${prefix}squares`]));
  const kept = isFlat ? 0 : 1;
  x =
    exporter === 'keras'
      ? then(node('ReduceMean', [x], [`${prefix}error`], { axes: [1], keepdims: kept }))
      : then(node('ReduceMean', [x, named('axis', int64Tensor('', [1], [1]))], [`${prefix}error`], { keepdims: kept }));
  const limit = numbers('limit', [], () => 0.5 + Math.abs(draw()));
  then(node('Sub', [limit, x], ['scores']));
  if (label === 'scikit-learn') {
    then(node('Greater', ['scores', numbers('nought', [], () => 0)], ['is_normal']));
    const [one, less] = [named('normal', int64Tensor('', [], [1])), named('anomaly', int64Tensor('', [], [-1]))];
    then(node('Where', ['is_normal', one, less], ['label']));
  } else if (label) {
    then(node('Less', ['scores', numbers('nought', [], () => 0)], ['is_odd']));
    then(
      label === 'boolean' ? node('Identity', ['is_odd'], ['label']) : node('Cast', ['is_odd'], ['label'], { to: 7 }),
    );
  }
  const dims = isFlat ? ['N'] : ['N', 1];
  const labelType = label === 'boolean' ? DATA_TYPE.bool : DATA_TYPE.int64;
  return encodeModel({
    irVersion: 10,
    // Axes are an attribute up to 17, and an operand from 18 on.
    opsetImport: [{ version: exporter === 'keras' ? 15 : 20 }, { domain: 'ai.onnx.ml', version: 2 }],
    metadataProps: [
      { key: 'fleetscore.features', value: JSON.stringify(features) },
      ...(label === 'outlier' ? [{ key: 'fleetscore.label', value: 'anomaly=1' }] : []),
      ...(label === 'boolean' ? [{ key: 'fleetscore.label', value: 'anomaly=true' }] : []),
    ],
    graph: {
      name: 'main_graph',
      node: change(nodes),
      initializer,
      input: [tensorInfo('input', type, ['N', width])],
      output: [...(label ? [tensorInfo('label', labelType, dims)] : []), tensorInfo('scores', type, dims)],
    },
  });
}
