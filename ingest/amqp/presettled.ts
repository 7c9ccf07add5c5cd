/**
 * Readers of a partition ask for events that are settled when they are sent. A hub keeps its events whatever a reader
 * answers, and where reading goes on is a matter of its checkpoint; yet the client (@azure/event-hubs 6.0.4) accepts
 * every event, with a frame and a write to the socket for every few of them. The client for .NET asks for the same
 * (`SettleOnSend`, AmqpConnectionScope.cs). Requests to the hub, and the showing of tokens, are left as they are.
 */
import { moduleOfClient } from './client-parts.ts';

interface ReceiverOptions {
  readonly credit_window?: number;
  readonly snd_settle_mode?: number;
}

interface SessionPrototype {
  createReceiver?(options?: ReceiverOptions): unknown;
  [PRESETTLED]?: true;
}

const PRESETTLED = Symbol.for('fleetscore.presettled');
/** `settled` of `sender-settle-mode`: AMQP 1.0 part 2, section 2.8.2. */
const SETTLED = 1;

/** Returns false when the client is built differently than expected, and nothing was done. */
export function askForSettled(): boolean {
  const rhea = moduleOfClient('rhea-promise') as
    | { readonly Session?: { readonly prototype: SessionPrototype } }
    | undefined;
  const prototype = rhea?.Session?.prototype;
  const create = prototype?.createReceiver;
  if (!prototype || typeof create !== 'function') return false;
  if (prototype[PRESETTLED]) return true;
  prototype.createReceiver = function (this: SessionPrototype, options) {
    // Readers of partitions alone say themselves how many events may come.
    const isReader = options?.credit_window === 0;
    return create.call(this, isReader ? { snd_settle_mode: SETTLED, ...options } : options);
  };
  prototype[PRESETTLED] = true;
  return true;
}
