/** What onnxruntime says of a model that it cannot load, with what to do about it where that is known. */

const REMEDIES: readonly (readonly [said: RegExp, remedy: string])[] = [
  // It has most operators of ai.onnx.ml, such as SVMRegressor, for float32 alone.
  [
    /could not find an implementation for/i,
    'onnxruntime does not have this operator for these types, in most cases since they are float64: export the model ' +
      'for float32 inputs (skl2onnx: to_onnx(model, X[:1].astype("float32"))), or hand its pickle to ' +
      '`fleetscore models convert`, which keeps float64',
  ],
  [
    /max supported (?:IR version|opset)|is under development|official support for domain/i,
    'export the model for an older version of ONNX (target_opset 20 or less, IR version 10)',
  ],
  [
    /is not a registered function\/op/,
    'operators of libraries of their own are not loaded: export the model with standard ones',
  ],
];

/** @param said onnxruntime's own words */
export function loadProblem(said: string): string {
  const remedy = REMEDIES.find(([words]) => words.test(said))?.[1];
  return `onnxruntime cannot load it: ${said}${remedy === undefined ? '' : `; ${remedy}`}`;
}
