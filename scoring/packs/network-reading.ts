/**
 * What is known of the graph of a network while its operators are gone through (network-model.ts), and how the graph of
 * many of them grows.
 */
import type { OnnxNode, OnnxTensor } from '../onnx-proto.ts';

/** Name of the input in the graph of many. */
export const NETWORK_INPUT = 'x';

/** Numbers of a model: its part of a table [models, ...dims]. */
export interface Slot {
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: Float32Array | Float64Array;
}

/** Rows of values: `rank` 2 has `columns` of them for each row, rank 1 one. */
export interface Row {
  readonly name: string;
  readonly rank: 1 | 2;
  readonly columns: number;
}

export type Value = { readonly row: Row } | { readonly constant: OnnxTensor } | { readonly shapeOf: Row };

/** What is known of a graph while its operators are gone through. */
export interface Reading {
  readonly values: Map<string, Value>;
  readonly nodes: OnnxNode[];
  readonly slots: Slot[];
  /** Constants that are the same in all models of the structure. */
  readonly shared: OnnxTensor[];
  /** Columns of all values together. */
  held: number;
}

export const rowOf = (value: Value | undefined): Row | undefined => (value && 'row' in value ? value.row : undefined);

export const constantOf = (value: Value | undefined): OnnxTensor | undefined =>
  value && 'constant' in value ? value.constant : undefined;

/** Adds an operator of the graph of many. */
export function append(
  reading: Reading,
  node: Pick<OnnxNode, 'opType' | 'attribute'>,
  input: readonly string[],
  { rank, columns }: Pick<Row, 'rank' | 'columns'>,
): { readonly row: Row } {
  const row = { name: `v${reading.nodes.length}`, rank, columns };
  const { opType, attribute = [] } = node;
  reading.nodes.push({ opType: opType!, input, output: [row.name], attribute });
  reading.held += columns;
  return { row };
}

const TENSOR_FIELDS = ['dims', 'dataType', 'rawData', 'floatData', 'doubleData', 'int32Data', 'int64Data'] as const;

/** What a message says, without the defaults that a decoded one brings along. */
export function withoutDefaults<T extends object>(message: T, fields: readonly (keyof T)[]): T {
  return Object.fromEntries(fields.filter((key) => Object.hasOwn(message, key)).map((key) => [key, message[key]])) as T;
}

/** Numbers that each model has of its own. */
export function slot(reading: Reading, values: Float32Array | Float64Array, dims: readonly number[]): string {
  const name = `own_${reading.slots.length}`;
  reading.slots.push({ name, dims, values });
  return name;
}

/** A constant that is the same in all models. */
export function share(reading: Reading, tensor: OnnxTensor): string {
  const name = `shared_${reading.shared.length}`;
  reading.shared.push({ ...withoutDefaults(tensor, TENSOR_FIELDS), name });
  return name;
}
