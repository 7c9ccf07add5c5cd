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

/** How rhea-promise makes a link. */
interface LinkOptions {
  readonly credit_window?: number;
  readonly snd_settle_mode?: number;
}
export type CreateLink<Link = object> = (options?: LinkOptions) => Promise<Link>;

type LinkMaker = 'createReceiver' | 'createAwaitableSender';

/** Readers of partitions alone say themselves how many events may come. */
export const isReader = (options: LinkOptions | undefined): boolean => options?.credit_window === 0;

/**
 * Puts something of ours around the methods of the client's sessions that make links, once for each mark.
 * Returns false when the client is built differently than expected, and nothing was done.
 */
export function wrapLinkMakers(
  mark: symbol,
  wraps: Readonly<Partial<Record<LinkMaker, (create: CreateLink) => CreateLink>>>,
): boolean {
  const rhea = moduleOfClient('rhea-promise') as { readonly Session?: { readonly prototype: object } } | undefined;
  const prototype = rhea?.Session?.prototype as (Partial<Record<LinkMaker, CreateLink>> & Marked) | undefined;
  const makers = Object.keys(wraps) as LinkMaker[];
  if (!prototype || !makers.every((maker) => typeof prototype[maker] === 'function')) return false;
  if (prototype[mark]) return true;
  for (const maker of makers) prototype[maker] = wraps[maker]!(prototype[maker]!);
  prototype[mark] = true;
  return true;
}

interface Marked {
  [mark: symbol]: true | undefined;
}
