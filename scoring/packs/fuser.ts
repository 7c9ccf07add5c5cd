/**
 * A fuser knows one kind of model: how to recognise it by its graph, and how to compute many of them in one
 * graph that gathers each row's parameters from a table. What it fuses must give the labels of the single
 * models in every row, ties and numbers that are not finite included; a fuser that cannot promise this for
 * some model does not recognise it. Publishing checks the promise on {@link Fuser.probes}.
 */
import type { OnnxGraph, OnnxModel } from '../onnx-proto.ts';

export interface Fuser<P> {
  /** Stable name of the kind, stored with every model. */
  readonly kind: string;
  /** Parameters of a model of this kind; undefined for any other. Decides by the graph, never by metadata alone. */
  recognise(model: OnnxModel): P | undefined;
  /** Features of the input. */
  width(parameters: P): number;
  /** Models of one size share a pack: the size their rows are padded to. */
  size(parameters: P): number;
  /** Doubles of a table row. */
  rowWidth(width: number, size: number): number;
  /** Writes the row of one model; the row is zero before. */
  writeRow(parameters: P, size: number, row: Float64Array): void;
  /** Graph with the inputs and outputs of PACK_PORTS over `table` [rows, rowWidth]. */
  graph(table: Float64Array, rows: number, width: number, size: number): OnnxGraph;
  /** Inputs [n, width] where a wrong fusion would show. */
  probes(parameters: P): Float64Array;
}

/** A model that can be fused, and by which fuser. */
export interface Fusable<P = unknown> {
  readonly fuser: Fuser<P>;
  readonly parameters: P;
}
