/**
 * The part of the ONNX file format (ModelProto, a Protocol Buffers message) that is read here to check and
 * recognise models, and written to build packs. Field numbers are those of onnx.proto and never change.
 * Fields left out are skipped when reading, so a decoded model must never be written back.
 */
import protobuf from 'protobufjs';

/** ONNX TensorProto.DataType, the ones that have a place in the model contract or in packs. */
export const DATA_TYPE = {
  float: 1,
  uint8: 2,
  int8: 3,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  double: 11,
} as const;

/** ONNX AttributeProto.AttributeType, the ones written here. */
export const ATTRIBUTE_TYPE = { float: 1, int: 2, tensor: 4, ints: 7 } as const;

/** A 64-bit integer as protobufjs gives it. */
export type Int64 = number | { toNumber(): number };

export interface OnnxTensor {
  readonly dims?: readonly Int64[];
  readonly dataType?: number;
  readonly floatData?: readonly number[];
  readonly int32Data?: readonly number[];
  readonly int64Data?: readonly Int64[];
  readonly doubleData?: readonly number[];
  readonly name?: string;
  readonly rawData?: Uint8Array;
  readonly externalData?: readonly OnnxEntry[];
  /** 1 when the data lies outside of the file. */
  readonly dataLocation?: number;
}

export interface OnnxSparseTensor {
  readonly values?: OnnxTensor;
  readonly indices?: OnnxTensor;
}

export interface OnnxAttribute {
  readonly name?: string;
  readonly type?: number;
  readonly i?: Int64;
  readonly f?: number;
  readonly s?: Uint8Array;
  readonly ints?: readonly Int64[];
  readonly floats?: readonly number[];
  readonly strings?: readonly Uint8Array[];
  readonly t?: OnnxTensor;
  readonly g?: OnnxGraph;
  readonly graphs?: readonly OnnxGraph[];
}

export interface OnnxNode {
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly name?: string;
  readonly opType?: string;
  readonly domain?: string;
  readonly attribute?: readonly OnnxAttribute[];
}

export interface OnnxDimension {
  readonly dimValue?: Int64;
  readonly dimParam?: string;
}

export interface OnnxValueInfo {
  readonly name?: string;
  readonly type?: {
    readonly tensorType?: {
      readonly elemType?: number;
      readonly shape?: { readonly dim?: readonly OnnxDimension[] };
    };
  };
}

export interface OnnxGraph {
  readonly node?: readonly OnnxNode[];
  readonly name?: string;
  readonly initializer?: readonly OnnxTensor[];
  readonly sparseInitializer?: readonly OnnxSparseTensor[];
  readonly input?: readonly OnnxValueInfo[];
  readonly output?: readonly OnnxValueInfo[];
}

/** Key and value, both text. */
export interface OnnxEntry {
  readonly key?: string;
  readonly value?: string;
}

export interface OnnxModel {
  readonly irVersion?: Int64;
  readonly producerName?: string;
  readonly graph?: OnnxGraph;
  readonly opsetImport?: readonly { readonly domain?: string; readonly version?: Int64 }[];
  readonly metadataProps?: readonly OnnxEntry[];
  readonly functions?: readonly { readonly name?: string; readonly node?: readonly OnnxNode[] }[];
}

type Field = readonly [type: string, id: number, rule?: 'repeated'];

const MESSAGES: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
  Entry: { key: ['string', 1], value: ['string', 2] },
  Opset: { domain: ['string', 1], version: ['int64', 2] },
  Tensor: {
    dims: ['int64', 1, 'repeated'],
    dataType: ['int32', 2],
    floatData: ['float', 4, 'repeated'],
    int32Data: ['int32', 5, 'repeated'],
    int64Data: ['int64', 7, 'repeated'],
    name: ['string', 8],
    rawData: ['bytes', 9],
    doubleData: ['double', 10, 'repeated'],
    externalData: ['Entry', 13, 'repeated'],
    dataLocation: ['int32', 14],
  },
  SparseTensor: { values: ['Tensor', 1], indices: ['Tensor', 2] },
  Attribute: {
    name: ['string', 1],
    f: ['float', 2],
    i: ['int64', 3],
    s: ['bytes', 4],
    t: ['Tensor', 5],
    g: ['Graph', 6],
    graphs: ['Graph', 11, 'repeated'],
    floats: ['float', 7, 'repeated'],
    ints: ['int64', 8, 'repeated'],
    strings: ['bytes', 9, 'repeated'],
    type: ['int32', 20],
  },
  Node: {
    input: ['string', 1, 'repeated'],
    output: ['string', 2, 'repeated'],
    name: ['string', 3],
    opType: ['string', 4],
    attribute: ['Attribute', 5, 'repeated'],
    domain: ['string', 7],
  },
  Dimension: { dimValue: ['int64', 1], dimParam: ['string', 2] },
  Shape: { dim: ['Dimension', 1, 'repeated'] },
  TensorType: { elemType: ['int32', 1], shape: ['Shape', 2] },
  Type: { tensorType: ['TensorType', 1] },
  ValueInfo: { name: ['string', 1], type: ['Type', 2] },
  Graph: {
    node: ['Node', 1, 'repeated'],
    name: ['string', 2],
    initializer: ['Tensor', 5, 'repeated'],
    input: ['ValueInfo', 11, 'repeated'],
    output: ['ValueInfo', 12, 'repeated'],
    sparseInitializer: ['SparseTensor', 15, 'repeated'],
  },
  Function: { name: ['string', 1], node: ['Node', 7, 'repeated'] },
  Model: {
    irVersion: ['int64', 1],
    producerName: ['string', 2],
    graph: ['Graph', 7],
    opsetImport: ['Opset', 8, 'repeated'],
    metadataProps: ['Entry', 14, 'repeated'],
    functions: ['Function', 25, 'repeated'],
  },
  // The metadata alone: everything else in the file is skipped without being built.
  ModelMetadata: { metadataProps: ['Entry', 14, 'repeated'] },
};

const root = protobuf.Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(MESSAGES).map(([name, fields]) => [
      name,
      {
        fields: Object.fromEntries(
          Object.entries(fields).map(([field, [type, id, rule]]) => [field, rule ? { type, id, rule } : { type, id }]),
        ),
      },
    ]),
  ),
});
const modelType = root.lookupType('Model');
const metadataType = root.lookupType('ModelMetadata');

/** Reads an ONNX file. Byte fields are views of `bytes`. @throws when the bytes are not a message of this form. */
export function decodeModel(bytes: Uint8Array): OnnxModel {
  const reader = Object.assign(protobuf.Reader.create(bytes), { int64: readInt64 });
  return modelType.decode(reader) as unknown as OnnxModel;
}

/** Bytes of integers that are surely numbers of JavaScript. */
const NUMBER_BYTES = 7;

/** A number where it is not too large: a forest has tens of thousands, and an object for each takes long to free. */
function readInt64(this: protobuf.Reader): Int64 {
  const { buf, len, pos } = this;
  for (let at = pos, value = 0, weight = 1; at < len && at < pos + NUMBER_BYTES; weight *= 128) {
    const byte = buf[at++]!;
    value += (byte & 127) * weight;
    if (byte < 128) {
      this.pos = at;
      return value;
    }
  }
  return protobuf.Reader.prototype.int64.call(this) as unknown as Int64;
}

/** Writes an ONNX file: the same model gives the same bytes. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const written = modelType.encode(modelType.fromObject(model)).finish();
  // The writer may give a slice of a pooled buffer: own the memory, so that it can be transferred.
  return written.byteLength === written.buffer.byteLength ? written : Uint8Array.from(written);
}

/** `metadata_props` of an ONNX file without building its graph. */
export function decodeMetadata(bytes: Uint8Array): ReadonlyMap<string, string> {
  const { metadataProps } = metadataType.decode(bytes) as unknown as OnnxModel;
  return new Map((metadataProps ?? []).map((entry) => [entry.key ?? '', entry.value ?? '']));
}

/** `metadata_props` as the bytes of an ONNX file: appended to one, they are its last entries. */
export function encodeMetadata(entries: ReadonlyMap<string, string>): Uint8Array {
  const metadataProps = [...entries].map(([key, value]) => ({ key, value }));
  return metadataType.encode(metadataType.fromObject({ metadataProps })).finish();
}

export function toNumber(value: Int64 | undefined): number {
  if (value === undefined) return 0;
  return typeof value === 'number' ? value : value.toNumber();
}

/** Dimensions of a tensor. */
export function dimsOf(tensor: OnnxTensor): number[] {
  return (tensor.dims ?? []).map(toNumber);
}

/** Values of a double tensor, or undefined when it is of another type or its size does not match its dimensions. */
export function doubles(tensor: OnnxTensor): Float64Array | undefined {
  if (tensor.dataType !== DATA_TYPE.double) return undefined;
  const size = dimsOf(tensor).reduce((a, b) => a * b, 1);
  if (tensor.rawData && tensor.rawData.byteLength > 0) {
    if (tensor.rawData.byteLength !== size * 8) return undefined;
    return new Float64Array(Uint8Array.from(tensor.rawData).buffer);
  }
  return tensor.doubleData?.length === size ? Float64Array.from(tensor.doubleData) : undefined;
}

/** Values of a float tensor, with the same rule. */
export function singles(tensor: OnnxTensor): Float32Array | undefined {
  if (tensor.dataType !== DATA_TYPE.float) return undefined;
  const size = dimsOf(tensor).reduce((a, b) => a * b, 1);
  if (tensor.rawData && tensor.rawData.byteLength > 0) {
    if (tensor.rawData.byteLength !== size * 4) return undefined;
    return new Float32Array(Uint8Array.from(tensor.rawData).buffer);
  }
  return tensor.floatData?.length === size ? Float32Array.from(tensor.floatData) : undefined;
}

/** Values of an int64 tensor, with the same rule. */
export function integers(tensor: OnnxTensor): number[] | undefined {
  if (tensor.dataType !== DATA_TYPE.int64) return undefined;
  const size = dimsOf(tensor).reduce((a, b) => a * b, 1);
  if (tensor.rawData && tensor.rawData.byteLength > 0) {
    if (tensor.rawData.byteLength !== size * 8) return undefined;
    return [...new BigInt64Array(Uint8Array.from(tensor.rawData).buffer)].map(Number);
  }
  return tensor.int64Data?.length === size ? tensor.int64Data.map(toNumber) : undefined;
}

export function doubleTensor(name: string, dims: readonly number[], values: Float64Array): OnnxTensor {
  return { name, dataType: DATA_TYPE.double, dims, rawData: bytesOf(values) };
}

/** A tensor of the type of its values. */
export function tensorOf(
  name: string,
  dims: readonly number[],
  values: Float32Array | Float64Array | Int32Array | Int16Array | Uint8Array,
): OnnxTensor {
  return { name, dataType: typeOf(values), dims, rawData: bytesOf(values) };
}

function typeOf(values: Float32Array | Float64Array | Int32Array | Int16Array | Uint8Array): number {
  if (values instanceof Float32Array) return DATA_TYPE.float;
  if (values instanceof Float64Array) return DATA_TYPE.double;
  if (values instanceof Int32Array) return DATA_TYPE.int32;
  return values instanceof Int16Array ? DATA_TYPE.int16 : DATA_TYPE.uint8;
}

export function int64Tensor(name: string, dims: readonly number[], values: readonly number[]): OnnxTensor {
  return { name, dataType: DATA_TYPE.int64, dims, rawData: bytesOf(BigInt64Array.from(values, BigInt)) };
}

/** A node of the standard operator set. */
export function node(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, number | readonly number[]>> = {},
): OnnxNode {
  const attribute = Object.entries(attributes).map(([name, value]) =>
    typeof value === 'number'
      ? { name, type: ATTRIBUTE_TYPE.int, i: value }
      : { name, type: ATTRIBUTE_TYPE.ints, ints: value },
  );
  return { opType, input, output, attribute };
}

/** An input or output; a dimension given as text is symbolic. */
export function tensorInfo(name: string, elemType: number, dims: readonly (number | string)[]): OnnxValueInfo {
  const dim = dims.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
