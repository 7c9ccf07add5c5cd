/**
 * For every link that it opens the client (@azure/event-hubs 6.0.4, withAuth.js) sets a timer that shows a token again
 * before it expires, 45 minutes later with a shared access key. It stops the timer of a link that it closes itself, not
 * of one that the service has closed (no traffic for a while, a node that moves): that link is opened again with a
 * timer of its own, and the one before goes on for as long as the process does. A worker would show ever more tokens,
 * and a program with nothing left to do would not end.
 *
 * Here a link that the service closes is closed in the client as well, as it does with all of them when the connection
 * is lost: a reader is made anew where reading had come to, a sender with the next send. The link for questions to the
 * hub has no such way; there a timer that takes the place of another one ends that. And nothing is left of a client
 * that is closed while its connection or that link opens: neither the timer nor the connection.
 */
import {
  contextOf,
  onEachConnection,
  wrapLinkMakers,
  type ClientConnection,
  type ClientContext,
  type CreateLink,
  type HubClient,
} from './client-parts.ts';

interface Session {
  prependListener(event: 'session_close', listener: () => void): unknown;
  isItselfClosed(): boolean;
}

/** A link of rhea-promise. */
interface Link {
  /** By which the client keeps what it belongs to. */
  readonly name: string;
  readonly connection: ClientConnection;
  readonly session: Session;
  prependListener(event: 'receiver_close' | 'sender_close', listener: () => void): unknown;
  /** False while this side has not closed it. */
  isItselfClosed(): boolean;
  close(): Promise<void>;
}

const TENDED = Symbol.for('fleetscore.tendedLinks');

interface Loop {
  stop(): void;
}

const contexts = new WeakMap<ClientConnection, ClientContext>();

/**
 * Called once for a client, before its first use. Returns false when the client is built differently than expected, and
 * nothing was done.
 */
export function endRenewals(client: HubClient): boolean {
  const context = contextOf(client);
  if (!context || !tendLinks()) return false;
  onEachConnection(context, (connection) => contexts.set(connection, context));
  keepOneLoop(context, closeWhenOpen(context));
  return true;
}

const tendLinks = (): boolean =>
  wrapLinkMakers(TENDED, {
    createReceiver: (create) => tended(create, 'receiver_close', ({ receivers }) => receivers),
    createAwaitableSender: (create) => tended(create, 'sender_close', ({ senders }) => senders),
  });

function tended(
  create: CreateLink,
  event: 'receiver_close' | 'sender_close',
  owners: (context: ClientContext) => ClientContext['receivers'],
): CreateLink {
  return async function (this: object, options) {
    const link = (await create.call(this, options)) as Link;
    const closeOwner = (closed: Pick<Session, 'isItselfClosed'>) => () => {
      const context = contexts.get(link.connection);
      const owner = context && owners(context)?.[link.name];
      // An end that this side asked for is none of the service's, and the client takes care of it.
      if (!owner || closed.isItselfClosed()) return;
      // What it belongs to must be closed in this turn, before it is used again: it waits for no answer of the service.
      link.close().catch(() => {});
      link.close = async () => {};
      owner.close().catch(() => {});
    };
    // Before the client itself hears of it, and closes this side.
    link.prependListener(event, closeOwner(link));
    link.session.prependListener('session_close', closeOwner(link.session));
    return link;
  };
}

/** Of the link for questions to the hub: its loop ends when another one takes its place, and with the client. */
function keepOneLoop(context: ClientContext, isClosed: () => boolean): void {
  const management = context.managementSession;
  if (!management || !Object.hasOwn(management, 'authLoop')) return;
  let loop = Reflect.get(management, 'authLoop') as Loop | undefined;
  Object.defineProperty(management, 'authLoop', {
    configurable: true,
    enumerable: true,
    get: () => loop,
    set(next: Loop | undefined) {
      if (next !== loop) loop?.stop();
      loop = next;
      if (isClosed()) loop?.stop();
    },
  });
}

/** A connection that is still opening when its client is closed would stay: the client closes only one that is open. */
function closeWhenOpen(context: ClientContext): () => boolean {
  let closed = false;
  const close = context.close.bind(context);
  context.close = () => {
    closed = true;
    return close();
  };
  onEachConnection(context, (connection) =>
    connection.on('connection_open', () => {
      if (closed) close().catch(() => {});
    }),
  );
  return () => closed;
}
