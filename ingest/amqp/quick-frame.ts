/**
 * The frame that an event comes in (`transfer`), read straight from its bytes: the client's reader (rhea) makes an
 * object of every field, of its type, and one more whenever the field is looked at. Any other frame, and one of
 * another shape, is left to it. Whether both still make the same of the same bytes is tried when this is put in place,
 * with frames that the client writes: a client that is built differently keeps its own reader.
 * Frames: AMQP 1.0 part 2, sections 2.3 and 2.7.5; encodings: part 1, section 1.6.
 */
import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';

export interface Frame {
  readonly size: number;
  readonly type: number;
  readonly channel: number;
  readonly performative?: object;
  readonly payload?: Buffer;
}

export interface Frames {
  read_frame: ((bytes: Buffer) => Frame | null) & { [QUICK]?: true };
  write_frame(frame: object): Buffer;
  amqp_frame(channel: number, performative: object, payload?: Buffer): object;
  transfer(fields: object): object;
}

const QUICK = Symbol.for('fleetscore.quickFrames');

/** Of the header: size, offset of the data in words of four bytes, type, channel. */
const HEADER = 8;
const USUAL_OFFSET = 2;
const AMQP = 0;
const DESCRIBED = 0x00;
const SMALL_ULONG = 0x53;
const TRANSFER = 0x14;
const LIST_8 = 0xc0;
const LIST_32 = 0xd0;
const NULL = 0x40;
const TRUE = 0x41;
const FALSE = 0x42;
const ZERO = 0x43;
const SMALL_UINT = 0x52;
const UINT = 0x70;
const BINARY_8 = 0xa0;

/** As the client gives a field: null for one without a value, undefined for one that the list does not reach. */
type Field<T> = T | null | undefined;

class Transfer {
  readonly handle: Field<number>;
  readonly delivery_id: Field<number>;
  readonly delivery_tag: Field<Buffer>;
  readonly message_format: Field<number>;
  readonly settled: Field<boolean>;
  readonly more: Field<boolean>;
  readonly rcv_settle_mode: Field<never>;
  readonly state: Field<never>;
  readonly resume: Field<boolean>;
  readonly aborted: Field<boolean>;
  readonly batchable: Field<boolean>;

  constructor(list: List) {
    this.handle = uint(list);
    this.delivery_id = uint(list);
    this.delivery_tag = binary(list);
    this.message_format = uint(list);
    this.settled = boolean(list);
    this.more = boolean(list);
    this.rcv_settle_mode = nothing(list);
    this.state = nothing(list);
    this.resume = boolean(list);
    this.aborted = boolean(list);
    this.batchable = boolean(list);
  }

  dispatch(target: { on_transfer(frame: object): void }, frame: object): void {
    target.on_transfer(frame);
  }
}

/** Where the fields are read; `usual` ends with the first one that is of another type. */
interface List {
  readonly bytes: Buffer;
  readonly end: number;
  at: number;
  left: number;
  usual: boolean;
}

/** A whole frame that holds a transfer of the usual shape; undefined for any other. Never throws. */
export function quickFrame(bytes: Buffer): Frame | undefined {
  const kind = bytes[HEADER + 3];
  if (
    bytes[4] !== USUAL_OFFSET ||
    bytes[5] !== AMQP ||
    bytes[HEADER] !== DESCRIBED ||
    bytes[HEADER + 1] !== SMALL_ULONG ||
    bytes[HEADER + 2] !== TRANSFER ||
    (kind !== LIST_8 && kind !== LIST_32)
  )
    return undefined;
  const width = kind === LIST_8 ? 1 : 4;
  const first = HEADER + 4 + 2 * width;
  const size = bytes.readUInt32BE(0);
  if (first > bytes.length || size !== bytes.length) return undefined;
  const end = HEADER + 4 + width + (width === 1 ? bytes[HEADER + 4]! : bytes.readUInt32BE(HEADER + 4));
  const left = width === 1 ? bytes[HEADER + 5]! : bytes.readUInt32BE(HEADER + 8);
  if (end > bytes.length || left > FIELDS) return undefined;
  const list: List = { bytes, end, at: first, left, usual: true };
  const performative = new Transfer(list);
  if (!list.usual || list.at !== end) return undefined;
  const channel = bytes.readUInt16BE(6);
  return end === size
    ? { size, type: AMQP, channel, performative }
    : { size, type: AMQP, channel, performative, payload: bytes.subarray(end) };
}

const FIELDS = 11;

/** The type code of the next field: `NULL` for one without a value, -1 behind the last one. */
function next(list: List): number {
  if (list.left === 0) return -1;
  list.left--;
  if (list.at < list.end) return list.bytes[list.at++]!;
  list.usual = false;
  return -1;
}

/** What a field is that has no value; one that has is of a type that is not read here. */
function without(list: List, code: number): null | undefined {
  if (code === NULL) return null;
  if (code !== -1) list.usual = false;
  return undefined;
}

/** Steps over the bytes of a value; false when they are not all there. */
function has(list: List, bytes: number): boolean {
  list.at += bytes;
  if (list.at <= list.end) return true;
  list.usual = false;
  return false;
}

function uint(list: List): Field<number> {
  const code = next(list);
  if (code === ZERO) return 0;
  if (code === SMALL_UINT) return has(list, 1) ? list.bytes[list.at - 1] : undefined;
  if (code === UINT) return has(list, 4) ? list.bytes.readUInt32BE(list.at - 4) : undefined;
  return without(list, code);
}

function boolean(list: List): Field<boolean> {
  const code = next(list);
  if (code === TRUE || code === FALSE) return code === TRUE;
  return without(list, code);
}

function binary(list: List): Field<Buffer> {
  const code = next(list);
  if (code !== BINARY_8) return without(list, code);
  if (!has(list, 1)) return undefined;
  const start = list.at;
  return has(list, list.bytes[start - 1]!) ? list.bytes.subarray(start, list.at) : undefined;
}

const nothing = (list: List): null | undefined => without(list, next(list));

/** Returns false when the client is built differently than expected, and nothing was done. */
export function readFramesQuickly(frames = framesOfClient()): boolean {
  if (frames === undefined) return false;
  const ordinary = frames.read_frame;
  if (ordinary[QUICK]) return true;
  if (!agree(frames)) return false;
  const read = (bytes: Buffer): Frame | null => quickFrame(bytes) ?? ordinary(bytes);
  frames.read_frame = Object.assign(read, { [QUICK]: true as const });
  return true;
}

/** The very module that the client reads frames with, wherever it is installed. */
export function framesOfClient(): Frames | undefined {
  try {
    const sdk = createRequire(createRequire(import.meta.url).resolve('@azure/event-hubs'));
    const rhea = createRequire(createRequire(sdk.resolve('rhea-promise')).resolve('rhea'));
    const frames = rhea('./frames.js') as Partial<Frames>;
    return typeof frames.read_frame === 'function' && typeof frames.transfer === 'function'
      ? (frames as Frames)
      : undefined;
  } catch {
    return undefined;
  }
}

const TAG = Buffer.from([1, 2, 3, 4]);

/** Frames of all shapes that are read here. */
const SAMPLES: readonly { readonly fields: object; readonly payload?: Buffer }[] = [
  { fields: { handle: 0 } },
  { fields: { handle: 1, delivery_id: 0, delivery_tag: TAG, message_format: 0, settled: true }, payload: TAG },
  { fields: { handle: 300, delivery_id: 70_000, delivery_tag: TAG, settled: false, more: true }, payload: TAG },
  { fields: { handle: 5, resume: false, aborted: true, batchable: true }, payload: Buffer.alloc(300, 7) },
];

/** Whether the client's own reader makes of these frames what {@link quickFrame} does, with all that it has. */
function agree(frames: Frames): boolean {
  try {
    return SAMPLES.every(({ fields, payload }, channel) => {
      const bytes = frames.write_frame(frames.amqp_frame(channel, frames.transfer(fields), payload));
      const quick = quickFrame(bytes);
      const own = frames.read_frame(bytes);
      return quick !== undefined && own !== null && sameFrame(own, quick);
    });
  } catch {
    return false;
  }
}

/** What the client needs of a frame that it writes, or logs. */
const OF_WRITERS: ReadonlySet<string> = new Set(['value', 'described', 'toJSON']);

function sameFrame(own: Frame, quick: Frame): boolean {
  const { performative: ownFields, ...ownRest } = own;
  const { performative: quickFields, ...quickRest } = quick;
  if (!ownFields || !quickFields || !isDeepStrictEqual(ownRest, quickRest)) return false;
  for (const name in ownFields) {
    if (OF_WRITERS.has(name)) continue;
    const [a, b] = [ownFields, quickFields].map((fields): unknown => Reflect.get(fields, name));
    if (typeof a === 'function' ? typeof b !== 'function' : !isDeepStrictEqual(a, b)) return false;
  }
  return true;
}
