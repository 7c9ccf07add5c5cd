/** What a client sends, cut into messages: the type and the bytes of all packets up to the last. */
export interface Message {
  readonly type: number;
  readonly body: Buffer;
}

const HEADER = 8;
const LAST = 0x01;

/** Takes bytes as they come and hands over each whole message. */
export function messageReader(onMessage: (message: Message) => void): (bytes: Buffer) => void {
  let rest = Buffer.alloc(0);
  let parts: Buffer[] = [];
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= HEADER) {
      const length = rest.readUInt16BE(2);
      if (rest.length < length) return;
      const [type, status] = [rest[0]!, rest[1]!];
      parts.push(rest.subarray(HEADER, length));
      rest = rest.subarray(length);
      if ((status & LAST) === 0) continue;
      const body = Buffer.concat(parts);
      parts = [];
      onMessage({ type, body });
    }
  };
}

/** Length of the headers with which batches, calls and transactions begin: [MS-TDS] 2.2.5.3. */
export const allHeaders = (body: Buffer): number => body.readUInt32LE(0);

/** The text of a batch, behind its headers. */
export const batchText = (body: Buffer): string => body.subarray(allHeaders(body)).toString('utf16le');

/** Whether a call holds this text: the name of its procedure, or a part of its statement. */
export const names = (body: Buffer, text: string): boolean => body.includes(Buffer.from(text, 'utf16le'));

/** 5 begin, 7 commit, 8 roll back: [MS-TDS] 2.2.6.9. */
export const transactionKind = (body: Buffer): number => body.readUInt16LE(allHeaders(body));

/** Of who logs in, as the client says: [MS-TDS] 2.2.6.4. */
export function hostName(login: Buffer): string {
  const from = login.readUInt16LE(36);
  return login.subarray(from, from + 2 * login.readUInt16LE(38)).toString('utf16le');
}

/** Bytes of a packet that the client wishes for: [MS-TDS] 2.2.6.4. */
export const wishedPacketSize = (login: Buffer): number => login.readUInt32LE(8);
