/** The kinds of models that are fused into packs. A new kind is a file beside this one and a line here. */
import type { OnnxModel } from '../onnx-proto.ts';
import { exportedForest } from './exported-forest.ts';
import { forest } from './forest.ts';
import type { Fusable, Fuser } from './fuser.ts';
import { network } from './network.ts';
import { rowwise } from './rowwise.ts';
import { scalerOcsvmRbf } from './scaler-ocsvm-rbf.ts';
import { zScore } from './z-score.ts';

/** Kind of a model that none of the fusers recognises. */
export const PLAIN_KIND = 'onnx';

function attempt<P>(fuser: Fuser<P>, model: OnnxModel): Fusable | undefined {
  const parameters = fuser.recognise(model);
  return parameters === undefined ? undefined : { fuser, parameters };
}

/** The fuser of a model with its parameters; undefined when it runs in a session of its own. */
export function fusable(model: OnnxModel): Fusable | undefined {
  return (
    attempt(scalerOcsvmRbf, model) ??
    attempt(zScore, model) ??
    attempt(forest, model) ??
    attempt(exportedForest, model) ??
    attempt(rowwise, model) ??
    attempt(network, model)
  );
}
