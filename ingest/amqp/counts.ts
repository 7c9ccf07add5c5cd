/**
 * What rhea (3.0.5, session.js, `Incoming.on_transfer`) counts of an event: nothing else is left of one that came
 * settled, once it was handed on. Counted here in its place, four numbers move by one. They are private to rhea, so
 * nobody counts before an ordinary event was seen to move these numbers and no other ({@link movedAsCounted}).
 */
import { isDeepStrictEqual } from 'node:util';

/** Fields of the frame that an event comes in. */
export interface Transfer {
  readonly delivery_id?: number | null;
  readonly message_format?: number | null;
  readonly settled?: boolean | null;
  readonly more?: boolean | null;
}

interface TransferFrame {
  readonly performative: Transfer;
  readonly payload?: Buffer;
}

interface Connection {
  _register(): void;
}

/** The side of a session that receives, and the link. */
export interface Book {
  readonly incoming: {
    on_transfer(frame: TransferFrame, link: object): void;
    next_transfer_id: number;
    next_delivery_id?: number;
  };
  readonly link: {
    credit: number;
    delivery_count: number;
    /** The delivery of which more is to come. */
    readonly _incomplete?: object;
    readonly connection: Connection;
    is_remote_open(): boolean;
  };
}

/** The book of a receiver of rhea-promise; undefined when it is built differently than expected. */
export function bookOf(receiver: object): Book | undefined {
  const link = Reflect.get(receiver, '_link') as (Book['link'] & { readonly session?: Partial<Book> }) | undefined;
  const incoming = link?.session?.incoming;
  const { _register: register }: Partial<Connection> = link?.connection ?? {};
  return typeof incoming?.on_transfer === 'function' &&
    typeof register === 'function' &&
    typeof link?.is_remote_open === 'function'
    ? { incoming, link }
    : undefined;
}

/** Whether a frame is all of an event that needs no answer, and is the one that is expected. */
export function isWholeEvent({ incoming, link }: Book, to: object, { performative }: TransferFrame): boolean {
  const { _incomplete: incomplete } = link;
  return (
    to === link &&
    performative.settled === true &&
    performative.more !== true &&
    performative.message_format === 0 &&
    performative.delivery_id === incoming.next_delivery_id &&
    link.credit > 0 &&
    incomplete === undefined &&
    link.is_remote_open()
  );
}

/** Has the session look, in the next tick, whether the other side must be told of its window. */
export function lookAtWindow({ link: { connection } }: Book): void {
  const { _register: register } = connection;
  register.call(connection);
}

export function count({ incoming, link }: Book): void {
  incoming.next_transfer_id++;
  incoming.next_delivery_id!++;
  link.credit--;
  link.delivery_count++;
}

/** Does what rhea does with an event. @returns whether it moved what {@link count} moves, and nothing else */
export function movedAsCounted(book: Book, work: () => void): boolean {
  const [incoming, link] = plainFields(book);
  work();
  const counted = { incoming: { ...incoming }, link: { ...link } } as unknown as Book;
  count(counted);
  return isDeepStrictEqual(plainFields(book), [counted.incoming, counted.link]);
}

const plainFields = ({ incoming, link }: Book): readonly object[] =>
  [incoming, link].map((side) =>
    Object.fromEntries(Object.entries(side).filter(([, value]) => !['object', 'function'].includes(typeof value))),
  );
