/** Bytes of the TDS 7.4 answers that the driver reads; [MS-TDS] 2.2.7 has the tokens, 2.2.3 the packets. */

/** Packet types of [MS-TDS] 2.2.3.1.1 that a client sends, and the one a server answers with. */
export const PACKET = {
  batch: 0x01,
  rpc: 0x03,
  answer: 0x04,
  attention: 0x06,
  bulk: 0x07,
  transaction: 0x0e,
  login: 0x10,
  prelogin: 0x12,
} as const;

export const u8 = (value: number): Buffer => Buffer.from([value]);
export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}
const wide = (text: string): Buffer => Buffer.from(text, 'utf16le');
export const bVarChar = (text: string): Buffer => Buffer.concat([u8(text.length), wide(text)]);
const usVarChar = (text: string): Buffer => Buffer.concat([u16(text.length), wide(text)]);
const sized = (type: number, body: Buffer): Buffer => Buffer.concat([u8(type), u16(body.length), body]);

/** Bytes of a packet until another size is agreed on, with the header. */
export const FIRST_PACKETS = 4096;
/** What SQL Server agrees to over TLS. */
export const LARGEST_PACKETS = 16_383;

/** One message of one or more packets. */
export function packets(type: number, body: Buffer, size = FIRST_PACKETS): Buffer {
  const parts: Buffer[] = [];
  const room = size - 8;
  for (let from = 0, id = 1; from === 0 || from < body.length; from += room, id++) {
    const data = body.subarray(from, from + room);
    const header = Buffer.from([type, from + room >= body.length ? 1 : 0, 0, 0, 0, 0, id % 256, 0]);
    header.writeUInt16BE(data.length + 8, 2);
    parts.push(header, data);
  }
  return Buffer.concat(parts);
}

/** @param encryption 0 off, 1 on, 2 not supported, 3 required */
export function preloginAnswer(encryption: number): Buffer {
  const options = Buffer.from([0x00, 0, 11, 0, 6, 0x01, 0, 17, 0, 1, 0xff]);
  return Buffer.concat([options, Buffer.from([16, 0, 0, 0, 0, 0, encryption])]);
}

export function loginAck(): Buffer {
  const ack = Buffer.concat([u8(1), Buffer.from([0x74, 0, 0, 4]), bVarChar('test'), Buffer.from([16, 0, 0, 0])]);
  return sized(0xad, ack);
}

/** `PACKET_SIZE` of [MS-TDS] 2.2.7.9: from then on packets have this many bytes. */
export const packetSize = (now: number, before: number): Buffer =>
  sized(0xe3, Buffer.concat([u8(4), bVarChar(String(now)), bVarChar(String(before))]));

/** `SQL_COLLATION` of [MS-TDS] 2.2.7.9: SQL_Latin1_General_CP1_CI_AS. Without it the driver sends no text. */
export const collation = (): Buffer => sized(0xe3, Buffer.from([7, 5, 0x09, 0x04, 0xd0, 0x00, 0x34, 0]));

export const DONE = { final: 0x00, more: 0x01, error: 0x02, count: 0x10, attention: 0x20 } as const;

export const done = (status: number = DONE.final, rows = 0): Buffer =>
  Buffer.concat([u8(0xfd), u16(status), u16(0), u32(rows), u32(0)]);
export const doneProc = (status: number = DONE.final, rows = 0): Buffer =>
  Buffer.concat([u8(0xfe), u16(status), u16(0), u32(rows), u32(0)]);
export const doneInProc = (rows: number): Buffer =>
  Buffer.concat([u8(0xff), u16(DONE.more | DONE.count), u16(0), u32(rows), u32(0)]);
export const returnStatus = (value: number): Buffer => Buffer.concat([u8(0x79), u32(value)]);

/** An error of the server, by its number in `sys.messages`. */
export function errorToken(number: number, message: string): Buffer {
  const body = [u32(number), u8(1), u8(14), usVarChar(message), bVarChar('test'), bVarChar(''), u32(1)];
  return sized(0xaa, Buffer.concat(body));
}

/** `BEGIN_TRAN` of [MS-TDS] 2.2.7.9: the new descriptor. */
export const begun = (descriptor: Buffer): Buffer =>
  sized(0xe3, Buffer.concat([u8(8), u8(descriptor.length), descriptor, u8(0)]));
export const committed = (descriptor: Buffer): Buffer =>
  sized(0xe3, Buffer.concat([u8(9), u8(0), u8(descriptor.length), descriptor]));
export const rolledBack = (descriptor: Buffer): Buffer =>
  sized(0xe3, Buffer.concat([u8(10), u8(0), u8(descriptor.length), descriptor]));

/** A result set of one INT column `n`. */
export function intColumn(): Buffer {
  return Buffer.concat([u8(0x81), u16(1), u32(0), u16(0), u8(0x38), bVarChar('n')]);
}
export const intRow = (value: number): Buffer => Buffer.concat([u8(0xd1), u32(value)]);
