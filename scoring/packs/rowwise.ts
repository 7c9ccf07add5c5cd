/**
 * Linear and kernel machines, envelopes, mixtures, neighbours, histograms, behind any scalers, as the converter writes
 * them. Two of one structure differ in their constants alone, so one graph serves both where each constant becomes a
 * part of a table row: values [N, K] become [models, rows, K], and every operator stays what it is, in its place.
 */
import type { OnnxModel } from '../onnx-proto.ts';
import type { Fuser } from './fuser.ts';
import { probeRows, some } from './probe-rows.ts';
import { rowTable } from './row-table.ts';
import { rowwiseGraph, rowwiseWidth } from './rowwise-graph.ts';
import { readRowwise, type Rowwise } from './rowwise-model.ts';

const ROWWISE = 'rowwise';

/** A row with more doubles gains nothing from a pack. */
const MOST_VALUES = 4_096;

function recognise(model: OnnxModel): Rowwise | undefined {
  const found = readRowwise(model);
  return found && rowwiseWidth(found) <= MOST_VALUES ? found : undefined;
}

const STEPS = [0, 0.5, -0.5, 1, -1, 2, -2, 3, -3, 10];
const PROBES = 40;

export const rowwise: Fuser<Rowwise> = {
  kind: ROWWISE,
  recognise,
  shape: ({ structure }) => structure,
  table: (first, limits) =>
    rowTable(
      {
        rowWidth: rowwiseWidth(first),
        write(model, into) {
          let at = 0;
          for (const { values, isShared } of model.constants.values())
            if (!isShared) {
              into.set(values, at);
              at += values.length;
            }
        },
        graph: (table, rows) => rowwiseGraph(first, table, rows),
      },
      limits,
    ),
  probes({ width, constants, scaling }) {
    const numbers = [...constants.values()].flatMap(({ values, isShared }) => (isShared ? [] : [...values]));
    const scaled = [...STEPS, ...some(numbers, PROBES)];
    return probeRows(
      scaling,
      Array.from({ length: width }, () => scaled),
    );
  },
};
