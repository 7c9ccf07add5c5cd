/**
 * Finds what a model file would take from other files. Reads the bytes of the message themselves, not a decoded part
 * of it: every place where ONNX can hold a tensor is visited, and a field that is not known here is refused when it
 * could hold one. Without this the SHA-256 of a model would not cover all of its weights, and a model could read files.
 */

/** Field numbers: those that hold a message with tensors somewhere in it, by name; all others that have a length. */
interface Message {
  readonly inner: Readonly<Record<number, MessageName>>;
  readonly plain: readonly number[];
}
type MessageName = 'Model' | 'Graph' | 'Node' | 'Attribute' | 'Tensor' | 'SparseTensor' | 'Function' | 'Training';

/** onnx-ml.proto of ONNX 1.23.2. Types, names, texts and metadata hold no tensor. */
export const ONNX_MESSAGES: Readonly<Record<MessageName, Message>> = {
  Model: { inner: { 7: 'Graph', 20: 'Training', 25: 'Function' }, plain: [2, 3, 4, 6, 8, 14, 26] },
  Graph: { inner: { 1: 'Node', 5: 'Tensor', 15: 'SparseTensor' }, plain: [2, 10, 11, 12, 13, 14, 16] },
  Node: { inner: { 5: 'Attribute' }, plain: [1, 2, 3, 4, 6, 7, 8, 9, 10] },
  Attribute: {
    inner: { 5: 'Tensor', 6: 'Graph', 10: 'Tensor', 11: 'Graph', 22: 'SparseTensor', 23: 'SparseTensor' },
    plain: [1, 4, 7, 8, 9, 13, 14, 15, 21],
  },
  Tensor: { inner: {}, plain: [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16] },
  SparseTensor: { inner: { 1: 'Tensor', 2: 'Tensor' }, plain: [3] },
  Function: { inner: { 7: 'Node', 11: 'Attribute' }, plain: [1, 4, 5, 6, 8, 9, 10, 12, 13, 14] },
  Training: { inner: { 1: 'Graph', 2: 'Graph' }, plain: [3, 4] },
};

/** TensorProto: where its data lies when not in the file, and whether it does. */
const EXTERNAL_DATA = 13;
const DATA_LOCATION = 14;

/** Wire types of Protocol Buffers. */
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** Protobuf's own readers, onnxruntime's included, refuse messages that are nested deeper. */
const DEEPEST = 100;

/**
 * What of a model file lies outside of it, or might; undefined when nothing does.
 * @throws Error when the bytes are no message of this form
 */
export function outsideOf(bytes: Uint8Array): string | undefined {
  return look({ bytes, at: 0 }, bytes.length, 'Model', 0);
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

function look(reader: Reader, end: number, name: MessageName, depth: number): string | undefined {
  if (depth > DEEPEST) throw new Error(`messages are nested more than ${DEEPEST} deep`);
  const { inner, plain } = ONNX_MESSAGES[name];
  while (reader.at < end) {
    const tag = varint(reader, end, 5);
    const field = Math.floor(tag / 8);
    const wire = tag % 8;
    if (tag > 0xffff_ffff || field === 0) throw new Error(`there is no field ${field}`);
    if (wire === LENGTH) {
      const length = varint(reader, end, 5);
      const next = reader.at + length;
      if (next > end) throw new Error('a field is longer than the message that holds it');
      const kind = inner[field];
      if (name === 'Tensor' && field === EXTERNAL_DATA) return 'the weights of a tensor lie in another file';
      if (kind === undefined && !plain.includes(field))
        return `it has a field ${field} of ${name}Proto that is not known here and may hold weights`;
      const found = kind && look(reader, next, kind, depth + 1);
      if (found !== undefined) return found;
      reader.at = next;
    } else if (wire === VARINT) {
      const value = varint(reader, end, 10);
      if (name === 'Tensor' && field === DATA_LOCATION && value !== 0)
        return 'the weights of a tensor lie in another file';
    } else if (wire === FIXED64) reader.at += 8;
    else if (wire === FIXED32) reader.at += 4;
    else return `it has a group (field ${field} of ${name}Proto), and ONNX has none`;
  }
  if (reader.at !== end) throw new Error('a field is longer than the message that holds it');
  return undefined;
}

/** Beyond 2^53 the last bits are lost: what matters of such a number is that it is not 0. */
function varint(reader: Reader, end: number, longest: number): number {
  let value = 0;
  for (let i = 0, weight = 1; i < longest && reader.at < end; i++, weight *= 128) {
    const byte = reader.bytes[reader.at++]!;
    value += (byte & 127) * weight;
    if (byte < 128) return value;
  }
  throw new Error('a number does not end');
}
