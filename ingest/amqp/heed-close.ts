/**
 * The ordinary end of a connection by the service, a close frame as at each maintenance, is a lost connection. The
 * client (@azure/event-hubs 6.0.4, connectionContext.js) hears only of lost sockets: it goes on with dead links, sends
 * stand still, and the time limit of a question on such a link throws out of a timer, which ends the process, because
 * `address` of a link that was detached has no source to read (rhea-promise 3.0.3, link.js). Here the end of the
 * connection is told to the client as the loss that it knows, that reading has an answer, and questions and sends that
 * were under way fail at once, to be tried again, rather than after their time limit of 15 s.
 */
import { contextOf, endWaiting, moduleOfClient, onEachConnection, rheaOf, type HubClient } from './client-parts.ts';

const HEEDED = Symbol.for('fleetscore.heededAddress');

interface LinkPrototype {
  readonly source?: { readonly address?: string };
  [HEEDED]?: true;
}

/**
 * Called once for a client, before its first use.
 * @param onLost each time a connection is lost, whoever ended it
 * @returns false when the client is built differently than expected, and nothing was done
 */
export function heedClose(client: HubClient, onLost: () => void = () => {}): boolean {
  const context = contextOf(client);
  if (!context || !addressNeverThrows()) return false;
  onEachConnection(context, (connection) => {
    connection.on('connection_close', (event) => {
      const rhea = rheaOf(connection);
      // An end that this side asked for is none of the service's.
      if (context.connection === connection && rhea?.state.local_open) rhea.dispatch('disconnected', event);
    });
    // Before the client itself hears of it, and forgets these links.
    connection.prependListener('disconnected', () => {
      if (context.connection !== connection) return;
      endWaiting(context, LOST);
      onLost();
    });
  });
  return true;
}

/** The client tries again what ended so (`ConnectionForcedError`). */
const LOST = { condition: 'amqp:connection:forced', description: 'the connection to Event Hubs was lost' };

function addressNeverThrows(): boolean {
  const rhea = moduleOfClient('rhea-promise') as { readonly Receiver?: { readonly prototype: object } } | undefined;
  const prototype = rhea?.Receiver && (Object.getPrototypeOf(rhea.Receiver.prototype) as LinkPrototype);
  if (!prototype || !Object.getOwnPropertyDescriptor(prototype, 'address')?.get) return false;
  if (prototype[HEEDED]) return true;
  Object.defineProperty(prototype, 'address', {
    configurable: true,
    get(this: LinkPrototype) {
      return this.source?.address;
    },
  });
  prototype[HEEDED] = true;
  return true;
}

/** Cuts the connection of a client whose network is dead; the client makes a new one. */
export function cutConnection(client: HubClient): void {
  const context = contextOf(client);
  if (context) rheaOf(context.connection)?.socket?.destroy(new Error('the connection was dead'));
}
