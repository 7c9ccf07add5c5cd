/** What the links share: the hubs, the readers, the counters, and who has shown a token on which connection. */
import type { Connection } from 'rhea';
import { unauthorized, type AmqpError } from './amqp.ts';
import type { FaultState } from './faults.ts';
import { pathOf, type Namespace } from './namespace.ts';
import type { ReaderRegistry } from './owner-levels.ts';
import type { SasKeys } from './sas.ts';

/** Counts since the start of the process. */
export interface EmulatorStats {
  /** Connections opened. */
  connections: number;
  /** Events accepted. */
  events: number;
  /** Transfers accepted, each a batch or a single event. */
  batches: number;
  /** Events handed to consumer links. */
  delivered: number;
  /** Transfers refused. */
  rejected: number;
}

/** What the broker knows about one connection. */
export interface Peer {
  /** Names of the hubs, in lower case, for which a token was accepted. */
  readonly authorized: Set<string>;
  /** What to undo when the connection is gone. */
  readonly cleanups: Set<() => void>;
}

export interface Broker {
  readonly namespace: Namespace;
  readonly readers: ReaderRegistry;
  readonly keys: SasKeys;
  readonly maxMessageBytes: number;
  readonly stats: EmulatorStats;
  readonly faults: FaultState;
  peer(connection: Connection): Peer;
}

/** Refuses a link to a hub for which the connection has shown no token. */
export function claimProblem(broker: Broker, connection: Connection, address: string): AmqpError | undefined {
  const hub = pathOf(address).split('/')[0] ?? '';
  if (broker.peer(connection).authorized.has(hub.toLowerCase())) return undefined;
  return unauthorized(`Unauthorized access. No put-token for '${hub}' was accepted on this connection.`);
}
