/**
 * Events that come in one read of the connection are handed to the client (@azure/event-hubs 6.0.4) as one. On the way
 * through rhea, rhea-promise and the client some twenty objects are made of every message, which all say what it says;
 * here its event is made straight from its bytes, and the last message of a read goes the usual way and stands for all
 * of them, so that the client knows how far its link has come. A message of another shape goes behind those before it.
 *
 * What rhea counts is counted here in its place, so a link gathers only after an event that came the ordinary way was
 * seen to move exactly these numbers (counts.ts), and came out of {@link eventsOf} as it would be made here. Readers
 * that do not take their events out there, and a client that is built differently, get each event by itself.
 */
import type { ReceivedEventData } from '@azure/event-hubs';
import { isDeepStrictEqual } from 'node:util';
import { eventOfMessage, toIngestEvent, type IngestEvent } from '../event.ts';
import { isReader, wrapLinkMakers } from './client-parts.ts';
import { bookOf, count, isWholeEvent, lookAtWindow, movedAsCounted, type Book } from './counts.ts';
import { quickDecode } from './quick-decode.ts';
import { Quick } from './quick-message.ts';

interface Receiver {
  emit(event: 'message', context: { readonly message: object }): boolean;
  on(event: 'message', listener: (context: { readonly message?: object }) => void): unknown;
}

const GATHERED = Symbol.for('fleetscore.gathered');

/** What is known of a link. */
interface Known {
  /** An event moved the numbers that are counted here, and no other. */
  counts: boolean;
  /** And one came out as it would be made here: events are gathered. */
  events: boolean;
}

/** The events that a message stands for, by its body. */
const groups = new WeakMap<object, { readonly known: Known; readonly events: readonly IngestEvent[] }>();

/** By the message. */
const sizes = new WeakMap<object, GroupSize>();

export interface GroupSize {
  readonly events: number;
  /** Of all of them, as they came. */
  readonly bytes: number;
  /** Of the largest one. */
  readonly largest: number;
}

/** Of a message that stands for all that came with it; undefined for any other. */
export const sizeOfGroup = (message: object): GroupSize | undefined => sizes.get(message);

/** The events that the client hands over, with those that one of them stands for. */
export function eventsOf(received: readonly ReceivedEventData[]): readonly IngestEvent[] {
  return received.flatMap((one): readonly IngestEvent[] => {
    const body: unknown = one.body;
    const group = typeof body === 'object' && body !== null ? groups.get(body) : undefined;
    if (group?.known.events) return group.events;
    const events = [toIngestEvent(one)];
    if (group) group.known.events = group.known.counts && isDeepStrictEqual(group.events, events);
    return events;
  });
}

/** Returns false when the client is built differently than expected, and nothing was done. */
export const gatherEvents = (): boolean =>
  wrapLinkMakers(GATHERED, {
    createReceiver: (create) =>
      async function (this: object, options) {
        const receiver = await create.call(this, options);
        // One that is just made, so none of its events has come yet.
        const book = isReader(options) ? bookOf(receiver) : undefined;
        if (book) gatherOn(receiver as Receiver, book);
        return receiver;
      },
  });

function gatherOn(receiver: Receiver, book: Book): void {
  const known: Known = { counts: false, events: false };
  const group = createGroup(known, (message) => receiver.emit('message', { message }));
  receiver.on('message', ({ message }) => {
    if (!known.events && message instanceof Quick)
      groups.set(message.data, { known, events: [eventOfMessage(message)] });
  });
  const { incoming } = book;
  const own = incoming.on_transfer;
  incoming.on_transfer = function (frame, to) {
    const ordinary = (): void => own.call(this, frame, to);
    const isWhole = isWholeEvent(book, to, frame);
    if (!known.events) {
      if (!isWhole || known.counts) ordinary();
      else known.counts = movedAsCounted(book, ordinary);
      return;
    }
    const message = isWhole && frame.payload ? quickDecode(frame.payload) : undefined;
    if (message === undefined) {
      group.handOver();
      ordinary();
      return;
    }
    count(book);
    if (group.add(message)) lookAtWindow(book);
  };
}

interface OpenGroup {
  /** Returns true for the first one, after which the group is handed over by itself in the next tick. */
  add(message: Quick): boolean;
  /** Hands over what there is. */
  handOver(): void;
}

function createGroup(known: Known, emit: (message: Quick) => void): OpenGroup {
  let events: IngestEvent[] = [];
  let last: Quick | undefined;
  let bytes = 0;
  let largest = 0;
  const handOver = (): void => {
    if (last === undefined) return;
    const message = last;
    groups.set(message.data, { known, events });
    sizes.set(message, { events: events.length, bytes, largest });
    last = undefined;
    events = [];
    bytes = 0;
    largest = 0;
    emit(message);
  };
  return {
    handOver,
    add(message) {
      const isFirst = last === undefined;
      if (isFirst) process.nextTick(handOver);
      last = message;
      events.push(eventOfMessage(message));
      bytes += message.bytes;
      if (message.bytes > largest) largest = message.bytes;
      return isFirst;
    },
  };
}
