/**
 * Keeps the promise of `prefetchCount`. @azure/event-hubs 6.0.4 adds new link credit at every receive cycle and
 * forgets the credit still out (github.com/Azure/azure-sdk-for-js/issues/39452): after quiet hours the service may
 * push millions of events at once, into memory. Here credit is only topped up to what the SDK asks for, as the fix
 * that is proposed there does; once the SDK does so itself, this changes nothing.
 */
import { createRequire } from 'node:module';

interface Receiver {
  readonly credit: number;
  addCredit(credit: number): void;
}

const BOUNDED = Symbol.for('fleetscore.boundedCredit');

/** Returns false when the SDK is built differently than expected, and nothing was done. */
export function boundReceiverCredit(): boolean {
  // The very module that the SDK uses, wherever it is installed.
  const sdk = createRequire(createRequire(import.meta.url).resolve('@azure/event-hubs'));
  let prototype: (Receiver & { [BOUNDED]?: true }) | undefined;
  try {
    ({ prototype } = (sdk('rhea-promise') as { Receiver: { prototype: Receiver } }).Receiver);
  } catch {
    return false;
  }
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
