/**
 * A fuser knows one kind of model: how to recognise it by its graph, and how to compute many of them in one
 * graph that gathers each row's parameters from a table. What it fuses must give the labels of the single
 * models in every row, ties and numbers that are not finite included; a fuser that cannot promise this for
 * some model does not recognise it. Publishing checks the promise on {@link Fuser.probes}.
 */
import type { OnnxGraph, OnnxModel } from '../onnx-proto.ts';
import type { TreesHeader } from './packed-trees.ts';

/** Version of the standard operators that packs are written in, unless their models bring another one. */
export const PACK_OPSET = 17;

export interface PackLimits {
  /** Models of one pack. */
  readonly maxRows: number;
  /** Bytes of one pack's table. */
  readonly maxBytes: number;
  /** A group of fewer models is not worth a pack. */
  readonly minRows: number;
}

export interface Fuser<P> {
  /** Stable name of the kind, stored with every model. */
  readonly kind: string;
  /** Parameters of a model of this kind; undefined for any other. Decides by the graph, never by metadata alone. */
  recognise(model: OnnxModel): P | undefined;
  /** Models of one shape and one list of features share a pack. */
  shape(parameters: P): string;
  /** An empty table for models of the shape of this one. */
  table(parameters: P, limits: PackLimits): PackTable<P>;
  /** Inputs [n, width] where a wrong fusion would show. */
  probes(parameters: P): Float64Array;
}

/** The parameters of the models of one pack while it is made. */
export interface PackTable<P> {
  /** Doubles that the operators of the graph hold for one row of features, at the most: bounds the rows of a run. */
  readonly rowWidth: number;
  /** Version of the standard operators of the graph, where it is not {@link PACK_OPSET}. */
  readonly opset?: number;
  /** Takes a model as the next row. False: it has no room for it; the first is always taken. */
  add(parameters: P): boolean;
  /** Graph with the inputs and outputs of PACK_PORTS over the models taken, in their order. */
  graph(): OnnxGraph;
  /** Their trees, which are walked before the graph runs. */
  trees?(): { readonly header: TreesHeader; readonly bytes: Uint8Array };
}

/** A model that can be fused, and by which fuser. */
export interface Fusable<P = unknown> {
  readonly fuser: Fuser<P>;
  readonly parameters: P;
}
