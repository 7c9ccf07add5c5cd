import { loadProblem } from '../../scoring/load-problem.ts';

test('a model in float64 without an operator, and one of a newer ONNX, come with the way that works', () => {
  const said = "Could not find an implementation for SVMRegressor(1) node with name 'SVM'";
  expect(loadProblem(said)).toMatch(/^onnxruntime cannot load it: Could not .*SVMRegressor.*float32.*models convert/);
  expect(loadProblem('Unsupported model IR version: 14, max supported IR version: 13')).toMatch(/13; export .*older/);
  expect(loadProblem('Foo(-1) is not a registered function/op')).toMatch(/op; operators of libraries of their own/);
  expect(loadProblem('Protobuf parsing failed.')).toBe('onnxruntime cannot load it: Protobuf parsing failed.');
});
