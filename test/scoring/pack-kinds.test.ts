/** What is of a kind that packs are made of is told by its whole graph: all that only looks alike is left alone. */
import {
  type OnnxModel,
  type OnnxNode,
  decodeModel,
  doubleTensor,
  encodeModel,
  int64Tensor,
  node,
} from '../../scoring/onnx-proto.ts';
import { fusable } from '../../scoring/packs/kinds.ts';
import { scalerOcsvmRbfModel } from '../../scoring/packs/scaler-ocsvm-rbf.ts';
import { plainBytes, svm } from './models.ts';

test('models that look alike but are not of a kind are not packed', () => {
  const base = decodeModel(encodeModel(scalerOcsvmRbfModel(svm(5), ['mean'])));
  expect(fusable(base)?.fuser.kind).toBe('scaler+ocsvm-rbf');
  const kind = (model: OnnxModel): string | undefined => fusable(decodeModel(encodeModel(model)))?.fuser.kind;
  const graph = (change: (nodes: OnnxNode[]) => OnnxNode[], initializer = base.graph!.initializer!): OnnxModel => ({
    ...base,
    graph: { ...base.graph, node: change([...base.graph!.node!]), initializer },
  });
  const replaced = (at: number, by: OnnxNode): OnnxModel => graph((nodes) => nodes.with(at, by));
  const parameter = (name: string, values: number[], dims: number[]): OnnxModel =>
    graph(
      (nodes) => nodes,
      base.graph!.initializer!.map((tensor) =>
        tensor.name === name ? doubleTensor(name, dims, Float64Array.from(values)) : tensor,
      ),
    );
  expect(kind(graph((nodes) => nodes))).toBe('scaler+ocsvm-rbf');
  const others: Record<string, OnnxModel> = {
    'another comparison': replaced(10, node('GreaterOrEqual', ['scores', 'zero'], ['is_normal'])),
    'another threshold': parameter('zero', [0.1], [1]),
    'swapped operands': replaced(0, node('Sub', ['mean', 'input'], ['centered'])),
    'wired past a step': replaced(8, node('MatMul', ['exponents', 'dual_coef'], ['weighted'])),
    'swapped labels': replaced(11, node('Where', ['is_normal', 'anomaly', 'normal'], ['label'])),
    'another attribute': replaced(5, node('ReduceSum', ['squares', 'axis_2'], ['distances'], { keepdims: 1 })),
    'an operator more': graph((nodes) => [...nodes, node('Identity', ['label'], ['more'])]),
    'an operator of another domain': replaced(7, { ...node('Exp', ['exponents'], ['kernel']), domain: 'com.example' }),
    'gamma of zero': parameter('neg_gamma', [0], [1]),
    'a parameter that is not finite': parameter('mean', [Number.NaN], [1]),
    'a parameter of another shape': parameter('intercept', [1], [1, 1]),
    'another opset': { ...base, opsetImport: [{ version: 7 }] },
    'an unused constant': graph(
      (nodes) => nodes,
      [...base.graph!.initializer!, doubleTensor('unused', [1], Float64Array.of(1))],
    ),
  };
  for (const [name, model] of Object.entries(others))
    expect({ name, kind: kind(model) }).toEqual({ name, kind: undefined });
  expect(fusable(decodeModel(plainBytes(5)))).toBeUndefined();

  const wide = decodeModel(encodeModel(scalerOcsvmRbfModel(svm(5, ['mean', 'min', 'max']), ['mean', 'min', 'max'])));
  expect(kind(wide)).toBe('scaler+ocsvm-rbf');
  const wideNodes = wide.graph!.node!;
  const rewired = (nodes: OnnxNode[], initializer = wide.graph!.initializer!): OnnxModel => ({
    ...wide,
    graph: { ...wide.graph, node: nodes, initializer },
  });
  const constants = wide.graph!.initializer!.filter(({ name }) => !name!.startsWith('feature_'));
  // Its last bit depends on where the row lies.
  const reduced = rewired(
    [
      ...wideNodes.slice(0, 5),
      node('ReduceSum', ['squares', 'axis_2'], ['distances'], { keepdims: 0 }),
      ...wideNodes.slice(10),
    ],
    [...constants, int64Tensor('axis_2', [1], [2])],
  );
  expect(kind(reduced)).toBeUndefined();
  expect(
    kind(rewired(wideNodes.with(6, node('Gather', ['squares', 'feature_0'], ['square_1'], { axis: 2 })))),
  ).toBeUndefined();
  expect(kind(rewired(wideNodes.with(9, node('Add', ['sum_1', 'square_1'], ['distances']))))).toBeUndefined();
});
