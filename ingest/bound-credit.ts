/**
 * Bounds what the Event Hubs service sends ahead, in events and in bytes: events have up to 1 MiB, so that a thousand
 * of them ahead on every partition would be gigabytes. @azure/event-hubs 6.0.4 knows no bound in bytes, and adds new
 * link credit at every receive cycle and forgets the credit still out (github.com/Azure/azure-sdk-for-js/issues/39452).
 * Here a cycle gets as much credit as there is room for events of the size that came last; and where large ones
 * follow small ones, so that more come than was meant, the connection is not read until there is room again.
 */
import { moduleOfClient, rheaOf, type ClientConnection } from './amqp/client-parts.ts';
import { sizeOfGroup, type GroupSize } from './amqp/gather.ts';
import { bytesOfMessage } from './amqp/guard-decoding.ts';

interface Receiver {
  readonly connection: ClientConnection;
  readonly credit: number;
  addCredit(credit: number): void;
  isOpen(): boolean;
  on(event: 'message', listener: (context: { readonly message?: object }) => void): unknown;
}

/** What has come to a receiver and may wait in the client, and what more may come. */
interface Ahead {
  /** What the client did not hand on since the last cycle: events, or events that came together (amqp/gather.ts). */
  waiting: Arrived[];
  /** Of all of them. */
  events: number;
  bytes: number;
  /** The largest of late, bytes; earlier ones count less and less. */
  likely: number;
  /** Most events ahead: what the client asks for with nothing waiting. */
  most: number;
}

type Arrived = Pick<GroupSize, 'events' | 'bytes'>;

/** Bytes that are asked for ahead, over all partitions of a process. */
export const BYTES_AHEAD = 8 * 1024 * 1024;
/** With so many times that in the client its connection is not read. */
const OVERFULL = 4;
/** Yet now and then one event is: otherwise signs of life and answers would never come, and the connection end. */
const SIP_MS = 10_000;
/** Largest event of the Basic and Standard tiers ("Azure Event Hubs quotas and limits"), bytes: one of unknown size. */
const LARGEST_EVENT = 1024 * 1024;
/**
 * What is expected of a new link, bytes: a link that begins with few events is slow after every loss of a connection.
 */
const USUAL_EVENT = 256 * 1024;
/** Each event takes this much off the weight of those before it. */
const FORGETTING = 0.9;

const BOUNDED = Symbol.for('fleetscore.boundedCredit');

/** Returns false when the SDK is built differently than expected, and nothing was done. */
export function boundReceiverCredit(bytesAhead = BYTES_AHEAD): boolean {
  const rhea = moduleOfClient('rhea-promise') as
    | { readonly Receiver?: { readonly prototype: Receiver & { [BOUNDED]?: true } } }
    | undefined;
  const prototype = rhea?.Receiver?.prototype;
  const addCredit: unknown = prototype?.addCredit;
  if (!prototype || typeof addCredit !== 'function') return false;
  if (prototype[BOUNDED]) return true;
  const give = (receiver: Receiver, credit: number): void => void addCredit.call(receiver, credit);
  prototype.addCredit = boundedBy(bytesAhead, give);
  prototype[BOUNDED] = true;
  return true;
}

function boundedBy(bytesAhead: number, give: (receiver: Receiver, credit: number) => void) {
  const receivers = new Map<Receiver, Ahead>();
  const waiting = (): number => [...receivers.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  const gate = createGate();
  const topUp = (receiver: Receiver, ahead: Ahead): void => {
    const missing = missingCredit(ahead, receiver.credit, bytesAhead / Math.max(1, receivers.size));
    if (missing > 0) give(receiver, missing);
  };
  const opened = (receiver: Receiver, wanted: number): Ahead => {
    for (const known of receivers.keys()) if (!known.isOpen()) receivers.delete(known);
    const ahead: Ahead = { waiting: [], events: 0, bytes: 0, likely: USUAL_EVENT, most: wanted };
    receivers.set(receiver, ahead);
    receiver.on('message', ({ message }) => {
      const { events, bytes, largest } = (message && sizeOfGroup(message)) ?? alone(message);
      ahead.waiting.push({ events, bytes });
      ahead.events += events;
      ahead.bytes += bytes;
      ahead.likely = Math.max(largest, ahead.likely * FORGETTING ** events);
      if (waiting() > OVERFULL * bytesAhead) gate.close(receiver.connection);
      // All came that were asked for, and they were smaller than expected: the cycle still waits for more of them.
      if (receiver.credit === 0) topUp(receiver, ahead);
    });
    return ahead;
  };
  return function (this: Receiver, wanted: number): void {
    const ahead = receivers.get(this) ?? opened(this, wanted);
    ahead.most = Math.max(ahead.most, wanted);
    // The client has handed on all but the newest.
    const kept = ahead.most - wanted;
    ahead.waiting = kept === 0 ? [] : ahead.waiting.slice(-kept);
    ahead.events = ahead.waiting.reduce((sum, { events }) => sum + events, 0);
    ahead.bytes = ahead.waiting.reduce((sum, { bytes }) => sum + bytes, 0);
    if (waiting() <= OVERFULL * bytesAhead) gate.open();
    topUp(this, ahead);
  };
}

function alone(message: object | undefined): GroupSize {
  const bytes = (message && bytesOfMessage(message)) ?? LARGEST_EVENT;
  return { events: 1, bytes, largest: bytes };
}

/** How many more events may come now. Never none while nothing waits: an event larger than all the room comes alone. */
export function missingCredit(
  { events, bytes, likely, most }: Omit<Ahead, 'waiting'>,
  credit: number,
  room: number,
): number {
  const least = events === 0 ? 1 : 0;
  const fit = Math.max(least, Math.floor((room - bytes) / likely));
  return Math.min(most - events, fit) - credit;
}

/** Stops the reading of connections, which holds their senders back, and lets it go on. */
function createGate(): { close(connection: ClientConnection): void; open(): void } {
  const closed = new Map<{ resume?(): unknown }, NodeJS.Timeout>();
  return {
    close(connection) {
      const socket = rheaOf(connection)?.socket;
      if (!socket?.pause || closed.has(socket)) return;
      socket.pause();
      const sip = setTimeout(() => {
        closed.delete(socket);
        socket.resume?.();
      }, SIP_MS);
      closed.set(socket, sip.unref());
    },
    open() {
      for (const [socket, sip] of closed) {
        clearTimeout(sip);
        socket.resume?.();
      }
      closed.clear();
    },
  };
}
