/**
 * How a connection says who it is: not at all (MSSBCBS and ANONYMOUS; its links then need a put-token), or by the
 * name and the key of a shared access policy (PLAIN), which opens every hub, as simple AMQP devices do it. After "AMQP
 * 1.0 in Azure Service Bus and Event Hubs protocol guide" and RFC 4616.
 */
import { Buffer } from 'node:buffer';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Connection, Container } from 'rhea';
import type { SasKeys } from './sas.ts';

interface Mechanism {
  outcome: boolean | undefined;
  /** The policy whose key was shown. */
  policy?: string;
  start(response?: Buffer): void;
}

/** Offers the mechanisms on the connections of a container. */
export function offerMechanisms(container: Container, keys: SasKeys): void {
  const offered = container.sasl_server_mechanisms;
  offered.enable_anonymous();
  // Microsoft's own mechanism for connections that authenticate by put-token afterwards.
  offered.MSSBCBS = (): Mechanism => ({
    outcome: undefined,
    start() {
      this.outcome = true;
    },
  });
  offered.PLAIN = (): Mechanism => ({
    outcome: undefined,
    start(response) {
      const [, policy = '', key = '', ...more] = Buffer.from(response ?? [])
        .toString('utf8')
        .split('\0');
      const expected = Object.hasOwn(keys, policy) ? keys[policy] : undefined;
      this.outcome = more.length === 0 && expected !== undefined && timingSafeEqual(digest(key), digest(expected));
      if (this.outcome) this.policy = policy;
    },
  });
}

/** Whether the key of a policy was shown when the connection was opened. */
export function hasShownKey(connection: Connection): boolean {
  const { sasl_transport: sasl } = connection as unknown as {
    // With anonymous connections allowed, rhea wraps the server that speaks SASL in one that looks at the header.
    readonly sasl_transport?: {
      readonly mechanism?: Mechanism;
      readonly selected?: { readonly mechanism?: Mechanism };
    };
  };
  return (sasl?.mechanism ?? sasl?.selected?.mechanism)?.policy !== undefined;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
