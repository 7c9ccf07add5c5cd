/**
 * Keeps the promise of `prefetchCount`. @azure/event-hubs 6.0.4 adds new link credit at every receive cycle and
 * forgets the credit still out (github.com/Azure/azure-sdk-for-js/issues/39452): after quiet hours the service may
 * push millions of events at once, into memory. Here credit is only topped up to what the SDK asks for, as the fix
 * that is proposed there does; once the SDK does so itself, this changes nothing.
 */
import { moduleOfClient } from './amqp/client-parts.ts';

interface Receiver {
  readonly credit: number;
  addCredit(credit: number): void;
}

const BOUNDED = Symbol.for('fleetscore.boundedCredit');

/** Returns false when the SDK is built differently than expected, and nothing was done. */
export function boundReceiverCredit(): boolean {
  const rhea = moduleOfClient('rhea-promise') as
    | { readonly Receiver?: { readonly prototype: Receiver & { [BOUNDED]?: true } } }
    | undefined;
  const prototype = rhea?.Receiver?.prototype;
  const addCredit: unknown = prototype?.addCredit;
  if (!prototype || typeof addCredit !== 'function') return false;
  if (prototype[BOUNDED]) return true;
  prototype.addCredit = function (this: Receiver, wanted: number): void {
    const missing = wanted - this.credit;
    if (missing > 0) addCredit.call(this, missing);
  };
  prototype[BOUNDED] = true;
  return true;
}
