/**
 * Parts of the Event Hubs client that are not public, each looked for and never relied on: who uses them says what
 * happens without them. All tuning of the client that its own options do not offer goes through here.
 */
import type { EventHubConsumerClient, EventHubProducerClient } from '@azure/event-hubs';
import { createRequire } from 'node:module';

export type HubClient = EventHubConsumerClient | EventHubProducerClient;

/** The connection of rhea under that of rhea-promise. */
export interface RheaConnection {
  dispatch(event: string, context: object): boolean;
  readonly state: { readonly local_open: boolean };
  readonly socket?: { destroy(error: Error): void; pause?(): unknown; resume?(): unknown };
}

export interface ClientConnection {
  on(event: string, listener: (context: object) => void): unknown;
  prependListener(event: string, listener: () => void): unknown;
}

export interface ClientContext {
  connection: ClientConnection;
  /** Puts a new `connection` in place of the old one. */
  refreshConnection(): void;
  readonly managementSession?: object;
  readonly cbsSession?: object;
  /** By the name of the link. */
  readonly senders?: Readonly<Record<string, LinkOwner>>;
  readonly receivers?: Readonly<Record<string, LinkOwner>>;
  /** What `close` of the client does. */
  close(): Promise<void>;
}

/** What opens a link when it is needed. */
interface LinkOwner {
  close(): Promise<void>;
}

/** A question to the hub, a token that is shown, or a send: each waits for its answer. */
interface Waiting {
  reject(error: object): void;
  cleanupBeforeResolveOrReject?(): void;
  readonly timer?: NodeJS.Timeout;
}

/** Undefined when the client is built differently than expected. */
export function contextOf(client: HubClient): ClientContext | undefined {
  const context = Reflect.get(client, '_context') as Partial<ClientContext> | undefined;
  return typeof context?.refreshConnection === 'function' &&
    typeof context.close === 'function' &&
    typeof context.connection?.on === 'function'
    ? (context as ClientContext)
    : undefined;
}

/** Calls `watch` with the client's connection, and with each one that takes its place. */
export function onEachConnection(context: ClientContext, watch: (connection: ClientConnection) => unknown): void {
  watch(context.connection);
  const refresh = context.refreshConnection.bind(context);
  context.refreshConnection = () => {
    refresh();
    watch(context.connection);
  };
}

export const rheaOf = (connection: ClientConnection): RheaConnection | undefined =>
  Reflect.get(connection, '_connection') as RheaConnection | undefined;

/** Ends all that waits for an answer over the client's connection. */
export function endWaiting({ managementSession, cbsSession, senders = {} }: ClientContext, error: object): void {
  const maps = [
    mapOf(managementSession, '_mgmtReqResLink', '_responsesMap'),
    mapOf(cbsSession, '_cbsSenderReceiverLink', '_responsesMap'),
    ...Object.values(senders).map((sender) => mapOf(sender, '_sender', 'deliveryDispositionMap')),
  ];
  for (const map of maps) {
    for (const waiting of map?.values() ?? []) {
      waiting.cleanupBeforeResolveOrReject?.();
      clearTimeout(waiting.timer);
      waiting.reject({ ...error });
    }
    map?.clear();
  }
}

function mapOf(owner: object | undefined, link: string, map: string): Map<unknown, Waiting> | undefined {
  const found = owner && (Reflect.get(owner, link) as object | undefined);
  const waiting: unknown = found && Reflect.get(found, map);
  return waiting instanceof Map ? waiting : undefined;
}

/** The very module that the client uses, wherever it is installed; undefined when it uses none of that name. */
export function moduleOfClient(name: string): unknown {
  const sdk = createRequire(createRequire(import.meta.url).resolve('@azure/event-hubs'));
  try {
    return sdk(name);
  } catch {
    return undefined;
  }
}
