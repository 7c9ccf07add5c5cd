/**
 * Readers of a partition ask for events that are settled when they are sent. A hub keeps its events whatever a reader
 * answers, and where reading goes on is a matter of its checkpoint; yet the client (@azure/event-hubs 6.0.4) accepts
 * every event, with a frame and a write to the socket for every few of them. The client for .NET asks for the same
 * (`SettleOnSend`, AmqpConnectionScope.cs). Requests to the hub, and the showing of tokens, are left as they are.
 */
import { isReader, wrapLinkMakers } from './client-parts.ts';

const PRESETTLED = Symbol.for('fleetscore.presettled');
/** `settled` of `sender-settle-mode`: AMQP 1.0 part 2, section 2.8.2. */
const SETTLED = 1;

/** Returns false when the client is built differently than expected, and nothing was done. */
export const askForSettled = (): boolean =>
  wrapLinkMakers(PRESETTLED, {
    createReceiver: (create) =>
      function (this: object, options) {
        return create.call(this, isReader(options) ? { snd_settle_mode: SETTLED, ...options } : options);
      },
  });
