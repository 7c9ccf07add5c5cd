/**
 * The rows that the trees of an exported forest look at: one input of all features or one for each, behind scalers that
 * take each feature by itself, in single precision.
 */
import { DEFAULT_FEATURES } from '../features.ts';
import { metadataOf, readMetadata } from '../model-metadata.ts';
import { modelPorts } from '../model-ports.ts';
import { DATA_TYPE, dimsOf, type OnnxModel, singles, toNumber } from '../onnx-proto.ts';
import { type ExportedGraph, mlNode, operandsOf } from './exported-graph.ts';
import { type Scaling, SCALING } from './probe-rows.ts';

export interface ExportedRows {
  /** The feature of each column. */
  readonly columns: readonly number[];
  /** Numbers by column. */
  readonly scaling: readonly Scaling[];
}

/** Scalers one behind the other: an operator or two each. */
const MOST_SCALING = 8;

/** Features of the columns of each input. Undefined: not all of them are of single precision. */
export function exportedInputs(model: OnnxModel): ReadonlyMap<string, readonly number[]> | undefined {
  const metadata = readMetadata(metadataOf(model));
  const features = metadata.features ?? DEFAULT_FEATURES;
  const { input } = modelPorts(model, metadata, features);
  if ('name' in input)
    return input.type === 'float32' ? new Map([[input.name, features.map((_, at) => at)]]) : undefined;
  return input.every(({ type, shape }) => type === 'float32' && shape?.length === 2)
    ? new Map(input.map(({ name, feature }) => [name, [feature]]))
    : undefined;
}

/** What is known of a value, where it is such rows with each feature once. */
export function exportedRows(
  graph: ExportedGraph,
  inputs: ReadonlyMap<string, readonly number[]>,
  name: string,
): ExportedRows | undefined {
  const rows = rowsOf(graph, inputs, name, 0);
  const width = [...inputs.values()].flat().length;
  if (!rows || rows.columns.length !== width || new Set(rows.columns).size !== width) return undefined;
  return rows;
}

function rowsOf(
  graph: ExportedGraph,
  inputs: ReadonlyMap<string, readonly number[]>,
  name: string,
  depth: number,
): ExportedRows | undefined {
  const input = inputs.get(name);
  if (input) return { columns: input, scaling: [] };
  const parts = operandsOf(graph, name, 'Concat')?.map((part) => inputs.get(part));
  if (parts) {
    const axis = toNumber(graph.sources.get(name)!.attribute?.find((each) => each.name === 'axis')?.i);
    return axis === 1 && parts.every((part) => part !== undefined) ? { columns: parts.flat(), scaling: [] } : undefined;
  }
  if (depth > MOST_SCALING) return undefined;
  const [same] = operandsOf(graph, name, 'Identity') ?? operandsOf(graph, name, 'Cast', DATA_TYPE.float) ?? [];
  if (same !== undefined) return rowsOf(graph, inputs, same, depth + 1);
  const source = graph.sources.get(name);
  const before = source?.input?.[0];
  const rows = before === undefined ? undefined : rowsOf(graph, inputs, before, depth + 1);
  const scaling = rows && scalingOf(graph, name, rows.columns.length);
  return scaling && { columns: rows.columns, scaling: [...rows.scaling, ...scaling] };
}

/** What one operator does with each column. */
function scalingOf(graph: ExportedGraph, name: string, width: number): readonly Scaling[] | undefined {
  const scaler = mlNode(graph, name, 'Scaler');
  if (scaler) {
    const [offset, scale] = ['offset', 'scale'].map((of) =>
      byColumn(scaler.attribute?.find((each) => each.name === of)?.floats, width),
    );
    // onnxruntime: (x - offset) * scale.
    return offset && scale
      ? [
          { op: 'Sub', values: offset },
          { op: 'Mul', values: scale },
        ]
      : undefined;
  }
  const op = SCALING.find((each) => operandsOf(graph, name, each) !== undefined);
  const tensor = op && graph.constants.get(operandsOf(graph, name, op)?.[1] ?? '');
  const dims = tensor ? dimsOf(tensor) : [];
  if (!op || !tensor || dims.length > 2 || (dims.length === 2 && dims[0] !== 1)) return undefined;
  const values = byColumn(singles(tensor), width);
  return values && [{ op, values }];
}

/** One number for each column, or one for all. */
function byColumn(numbers: ArrayLike<number> | undefined, width: number): Float64Array | undefined {
  if (!numbers || (numbers.length !== width && numbers.length !== 1)) return undefined;
  const values = Float64Array.from({ length: width }, (_, at) => numbers[numbers.length === 1 ? 0 : at]!);
  return values.every(Number.isFinite) ? values : undefined;
}

/** The scalers by feature, as a pack has its rows. */
export const scalingByFeature = ({ columns, scaling }: ExportedRows): readonly Scaling[] =>
  scaling.map(({ op, values }) => ({
    op,
    values: Float64Array.from(columns, (_, feature) => values[columns.indexOf(feature)]!),
  }));
