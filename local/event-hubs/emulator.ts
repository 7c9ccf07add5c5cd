/**
 * An emulator of Azure Event Hubs for the laptop: AMQP 1.0 over plain TCP, for the official clients with
 * `UseDevelopmentEmulator=true` (docs/emulator.md says which were tried). Names of rules and errors follow the Event
 * Hubs documentation: "AMQP 1.0 protocol guide", "Features and terminology", "Quotas and limits", "Overview of the
 * Event Hubs emulator".
 *
 * Emulated: shared access signatures, put-token and SASL PLAIN; hub and partition properties; producer links to a hub
 * or a partition, batches, partition keys with the service's hash, the limit of 1 MiB; consumer links with every start
 * position, consumer groups, owner levels, the limit of five shared readers, runtime metrics; retention by age; durable
 * logs that survive a kill (not a power failure: writes are not forced to the platter).
 *
 * Not emulated: TLS, WebSockets, Microsoft Entra tokens, the end of a link when its token expires, idempotent
 * publishing (refused), transactions, publisher policies, Capture, throughput limits and throttling, Kafka,
 * schema registry, geo-replication, application groups. Retention by bytes stands in for the service's quota.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import rhea from 'rhea';
import type { Connection, Container, EventContext, Receiver, Sender, ServerConnectionOptions } from 'rhea';
import { defined } from '../../domain/defined.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { coalesceWrites, forRhea, socketOf } from './amqp.ts';
import type { Broker, EmulatorStats, Peer } from './broker.ts';
import { checkHubs, type HubConfig } from './config.ts';
import { openConsumerLink } from './consumer-link.ts';
import { agreeOnSettlement, speakAsService } from './dialect.ts';
import { createFaults, type EventHubsFaults } from './faults.ts';
import { openNamespace, type Namespace } from './namespace.ts';
import { createReaderRegistry } from './owner-levels.ts';
import { openProducerLink } from './producer-link.ts';
import { isRequestNode, openRequestLink, openResponseLink } from './request-nodes.ts';
import { DEVELOPMENT_KEYS, type SasKeys } from './sas.ts';
import { hasShownKey, offerMechanisms } from './sasl.ts';
import { HOUR_MS } from '../../domain/time.ts';

const MIB = 1024 * 1024;
const DEFAULTS = {
  host: '127.0.0.1',
  retentionMs: 24 * HOUR_MS,
  maxPartitionBytes: 1024 * MIB,
  maxMessageBytes: MIB,
} as const;
const MAX_FRAME_BYTES = 64 * 1024;
const IDLE_TIMEOUT_MS = 240_000;
const PRODUCER_CREDIT = 1000;
const CLOSE_PATIENCE_MS = 500;

export interface EventHubsOptions {
  readonly hubs: readonly HubConfig[];
  /** Loopback only. */
  readonly host?: '127.0.0.1';
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Where the events are kept; without it in a temporary folder that `stop` removes. */
  readonly dataDir?: string;
  /** @default 24 hours */
  readonly retentionMs?: number;
  /** @default 1 GiB */
  readonly maxPartitionBytes?: number;
  /** Offsets are those of a namespace with geo-replication; each failover begins a higher epoch. */
  readonly geoEpoch?: number;
  /** Shared access policies and keys. @default the key of the official emulator */
  readonly keys?: SasKeys;
  /** Gets a line when something needs attention, such as a log that was cut short. */
  readonly log?: (line: string) => void;
}

export interface EventHubsEmulator {
  readonly port: number;
  readonly stats: Readonly<EmulatorStats>;
  readonly faults: EventHubsFaults;
  /** For the clients of @azure/event-hubs; with a hub it names the entity, too. */
  connectionString(hub?: string): string;
  /** Closes connections and logs; safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Starts an emulator.
 *
 * @throws {FleetscoreError} `PORT_IN_USE`, `DATA_DIR_IN_USE`, `PARTITIONS_REMOVED` or `INVALID_CONFIG`.
 */
export async function startEventHubsEmulator(options: EventHubsOptions): Promise<EventHubsEmulator> {
  checkHubs(options.hubs);
  const { hubs, host = DEFAULTS.host, keys = DEVELOPMENT_KEYS, log = () => {} } = options;
  const limits = {
    retentionMs: options.retentionMs ?? DEFAULTS.retentionMs,
    maxBytes: options.maxPartitionBytes ?? DEFAULTS.maxPartitionBytes,
    ...defined({ geoEpoch: options.geoEpoch }),
  };
  const container = rhea.create_container({ id: 'fleetscore-event-hubs' });
  offerMechanisms(container, keys);
  const server = await listen(container, host, options.port ?? 0);
  // No connection is served before this function yields again, so the logs are open by then.
  const temporary = options.dataDir === undefined ? mkdtempSync(join(tmpdir(), 'fleetscore-event-hubs-')) : undefined;
  const removeTemporary = (): void => {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
  };
  let namespace: Namespace;
  try {
    namespace = openNamespace(hubs, options.dataDir ?? temporary ?? '', limits, log);
  } catch (error) {
    server.close();
    removeTemporary();
    throw error;
  }
  const connections = new Set<Connection>();
  const stats: EmulatorStats = { connections: 0, events: 0, batches: 0, delivered: 0, rejected: 0 };
  const peers = new WeakMap<Connection, Peer>();
  const readers = createReaderRegistry();
  const faults = createFaults(connections, readers);
  const broker: Broker = {
    namespace,
    keys,
    stats,
    faults,
    readers,
    maxMessageBytes: DEFAULTS.maxMessageBytes,
    peer: (connection) => {
      const peer = peers.get(connection) ?? { authorized: new Set(), cleanups: new Set() };
      peers.set(connection, peer);
      return peer;
    },
  };
  wire(container, broker, connections, log);
  // Also those that never get as far as an AMQP connection, such as a probe of the port.
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const sweeper = setInterval(() => namespace.trim(), Math.min(60_000, Math.max(100, limits.retentionMs / 10)));
  sweeper.unref();

  const { port } = server.address() as AddressInfo;
  const [policy = '', key = ''] = Object.entries(keys)[0] ?? [];
  const shutDown = async (): Promise<void> => {
    clearInterval(sweeper);
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of connections) {
      connection.close({ condition: 'amqp:connection:forced', description: 'The emulator is shutting down.' });
    }
    const impatient = setTimeout(() => {
      for (const socket of sockets) socket.destroy(new Error('the emulator is shutting down'));
    }, CLOSE_PATIENCE_MS);
    await closed;
    clearTimeout(impatient);
    namespace.close();
    removeTemporary();
  };
  let stopping: Promise<void> | undefined;
  return {
    port,
    stats,
    faults,
    connectionString: (hub) =>
      `Endpoint=sb://localhost:${port};SharedAccessKeyName=${policy};SharedAccessKey=${key}` +
      ';UseDevelopmentEmulator=true;' +
      (hub === undefined ? '' : `EntityPath=${hub};`),
    stop: () => (stopping ??= shutDown()),
  };
}

function listen(container: Container, host: string, port: number): Promise<Server> {
  const connectionOptions: ServerConnectionOptions = {
    host,
    port,
    tcp_no_delay: true,
    max_frame_size: MAX_FRAME_BYTES,
    channel_max: 4999,
    idle_time_out: IDLE_TIMEOUT_MS,
    receiver_options: { max_message_size: DEFAULTS.maxMessageBytes, autoaccept: false, credit_window: PRODUCER_CREDIT },
    sender_options: { max_message_size: DEFAULTS.maxMessageBytes },
  } as unknown as ServerConnectionOptions;
  const server = container.listen(connectionOptions);
  return new Promise((resolve, reject) => {
    server.once('listening', () => resolve(server));
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code !== 'EADDRINUSE'
          ? error
          : new FleetscoreError(
              'PORT_IN_USE',
              `Port ${port} on ${host} is in use, so the Event Hubs emulator cannot listen there. ` +
                'Stop what uses it (an emulator that still runs?) or choose another port; 0 takes a free one.',
              { cause: error },
            ),
      );
    });
  });
}

/** Routes what clients open to the links and keeps the books of connections. */
function wire(container: Container, broker: Broker, connections: Set<Connection>, log: (line: string) => void): void {
  container.on('connection_open', ({ connection }: EventContext) => {
    broker.stats.connections += 1;
    connections.add(connection);
    coalesceWrites(connection);
    speakAsService(connection);
    if (hasShownKey(connection)) {
      for (const { name } of broker.namespace.hubs) broker.peer(connection).authorized.add(name.toLowerCase());
    }
    socketOf(connection).once('close', () => {
      connections.delete(connection);
      for (const cleanup of broker.peer(connection).cleanups) cleanup();
    });
  });
  container.on('receiver_open', ({ receiver }: EventContext) =>
    guard(receiver, () => {
      if (receiver === undefined) return;
      agreeOnSettlement(receiver);
      if (isRequestNode(receiver.target?.address ?? '')) openRequestLink(broker, receiver);
      else openProducerLink(broker, receiver);
    }),
  );
  container.on('sender_open', ({ sender }: EventContext) =>
    guard(sender, () => {
      if (sender === undefined) return;
      agreeOnSettlement(sender);
      if (isRequestNode(sender.source?.address ?? '')) openResponseLink(sender);
      else openConsumerLink(broker, sender);
    }),
  );
  const guard = (link: Sender | Receiver | undefined, open: () => void): void => {
    try {
      open();
    } catch (error) {
      log(`a link could not be opened: ${String(error)}`);
      link?.close(forRhea({ condition: 'amqp:internal-error', description: String(error) }));
    }
  };
  container.on('protocol_error', (error: unknown) => log(`a client broke the protocol: ${String(error)}`));
  container.on('error', (error: unknown) => log(`a connection failed: ${String(error)}`));
  // Clients come and go; rhea complains on the console about those events that nobody listens to.
  for (const event of [
    'connection_error',
    'connection_close',
    'disconnected',
    'session_error',
    'sender_error',
    'receiver_error',
  ]) {
    container.on(event, () => {});
  }
}
