/**
 * Where AMQP 1.0 leaves a choice, clients of Azure rely on the one that the service made. This makes a connection of
 * rhea choose alike: lists with all their fields (azure-eventhub for Python reads fields by their position), a begin
 * that names its handle-max, messages as the bytes that came (an event must go out with the types it came with).
 * Only the connections of the emulator are changed: clients of rhea in the same process keep their own ways.
 */
import type { Buffer } from 'node:buffer';
import type { Connection, Receiver, Sender } from 'rhea';
import { BATCH_FORMAT } from './amqp.ts';

/** The message format that rhea is told for every message that is no batch, so that it hands over undecoded bytes. */
const UNDECODED = 0xffff_ffff;
/** rhea's own name of what writes a frame. */
const WRITE = '_write_frame';
const BEGIN = 0x11;
const HANDLE_MAX = 4;
const HIGHEST_HANDLE = 0xffff_ffff;

/**
 * The number of fields of each composite type that a peer may send, by its descriptor (OASIS AMQP 1.0, 2.7 and 3.5).
 */
const FIELDS: ReadonlyMap<number, number> = new Map([
  [0x10, 10], // open
  [BEGIN, 8],
  [0x12, 14], // attach
  [0x13, 11], // flow
  [0x14, 11], // transfer
  [0x15, 6], // disposition
  [0x16, 3], // detach
  [0x17, 1], // end
  [0x18, 1], // close
  [0x1d, 3], // error
  [0x23, 2], // received
  [0x25, 1], // rejected
  [0x27, 3], // modified
  [0x28, 11], // source
  [0x29, 7], // target
]);

interface Described {
  readonly descriptor?: { readonly value: unknown };
  readonly value?: unknown;
}

interface Performative {
  readonly constructor: { readonly descriptor?: { readonly numeric: number } };
  readonly value: unknown[];
  handle_max?: number;
}

interface Transfer {
  readonly performative: { message_format?: number };
}

interface RheaConnection {
  [WRITE]: (channel: number, performative?: Performative, payload?: Buffer) => void;
  on_transfer: (frame: Transfer) => void;
}

/** Lengthens a list to the fields of its type, and the described lists within; rhea writes what is missing as null. */
function complete(descriptor: unknown, list: unknown): void {
  if (!Array.isArray(list)) return;
  for (const item of list as (Described | null | undefined)[]) {
    if (item?.descriptor !== undefined) complete(item.descriptor.value, item.value);
  }
  list.length = Math.max(list.length, FIELDS.get(Number(descriptor)) ?? 0);
}

/** Makes a connection speak as the service does; before anything is written on it. */
export function speakAsService(connection: Connection): void {
  const rhea = connection as unknown as RheaConnection;
  const write = rhea[WRITE].bind(connection);
  rhea[WRITE] = (channel, performative, payload) => {
    const code = performative?.constructor.descriptor?.numeric;
    if (performative !== undefined && code !== undefined) {
      if (code === BEGIN && performative.value[HANDLE_MAX] === undefined) performative.handle_max = HIGHEST_HANDLE;
      complete(code, performative.value);
    }
    write(channel, performative, payload);
  };
  keepBytes(connection);
}

/** Makes a connection hand over messages as the bytes that came, decoded by nobody. */
export function keepBytes(connection: Connection): void {
  const rhea = connection as unknown as RheaConnection;
  const take = rhea.on_transfer.bind(connection);
  rhea.on_transfer = (frame) => {
    if (frame.performative.message_format !== BATCH_FORMAT) frame.performative.message_format = UNDECODED;
    take(frame);
  };
}

/**
 * Answers an attach with the sender's settle mode that it asks for. go-amqp refuses another, and the AMQP of .NET
 * takes over the peer's: its requests, all with the empty delivery tag, would then be unsettled and collide.
 */
export function agreeOnSettlement(link: Sender | Receiver): void {
  const { local, remote } = link as unknown as Record<'local' | 'remote', { attach: { snd_settle_mode?: number } }>;
  if (remote.attach.snd_settle_mode !== undefined) local.attach.snd_settle_mode = remote.attach.snd_settle_mode;
}
