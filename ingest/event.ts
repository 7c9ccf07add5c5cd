/**
 * One event of a partition as ingest sees it. A source is what sequence numbers belong to: the same hub read by
 * another consumer group is another source, with progress of its own.
 */
import type { ReceivedEventData } from '@azure/event-hubs';
import { unreadableBody } from './amqp/guard-decoding.ts';
import type { Quick } from './amqp/quick-message.ts';
import { jsonText } from './json-text.ts';
import type { EventBody } from './parse/body.ts';

export interface IngestEvent extends EventBody {
  readonly seq: number;
  readonly offset: string;
}

export interface HubName {
  /** Host name of the namespace. */
  readonly namespace: string;
  readonly hub: string;
}

/**
 * The `source` of the store's progress: `{host name of the namespace}/{hub}/{consumer group}`, in lower case as the
 * service takes them.
 */
export function sourceName(hub: HubName, consumerGroup: string): string {
  return `${hub.namespace}/${hub.hub}/${consumerGroup}`.toLowerCase();
}

/**
 * `{namespace}/{hub}`, the folder of a hub in Blob: the namespace's short name, and only characters that are safe in
 * paths.
 */
export function hubFolder(hub: HubName): string {
  const safe = (text: string): string => text.toLowerCase().replace(/[^a-z0-9_-]/g, '-');
  return `${safe(hub.namespace.replace(/\.servicebus\..*$/i, ''))}/${safe(hub.hub)}`;
}

/** Folder of raw capture of a source `{namespace}/{hub}/{consumer group}`. */
export function sourceFolder(source: string): string {
  const [namespace = '', hub = ''] = source.split('/');
  return hubFolder({ namespace, hub });
}

/**
 * An event of the SDK, received with `skipParsingBodyAsJson`. Properties are taken from the AMQP message: the SDK's own
 * have bytes spread into objects.
 */
export function toIngestEvent(event: ReceivedEventData): IngestEvent {
  const raw = event.getRawAmqpMessage?.();
  const properties = raw?.applicationProperties ?? event.properties;
  const systemProperties =
    raw && event.systemProperties ? ofMessage(event.systemProperties, raw) : event.systemProperties;
  const encoding: unknown = systemProperties?.contentEncoding ?? properties?.['content-encoding'];
  const body: unknown = event.body;
  const unreadable = unreadableBody(body);
  const made: { -readonly [K in keyof IngestEvent]: IngestEvent[K] } = {
    seq: event.sequenceNumber,
    offset: event.offset,
    // The service always sets it; NaN is found in delivery.ts.
    enqueuedMs: (event.enqueuedTimeUtc as Date | undefined)?.getTime() ?? Number.NaN,
    // Several data sections of one AMQP message are one body.
    body: Array.isArray(body) && body.every((part) => part instanceof Uint8Array) ? Buffer.concat(body) : body,
  };
  if (unreadable !== undefined) made.unreadable = unreadable;
  if (typeof encoding === 'string') made.contentEncoding = encoding;
  if (event.partitionKey != null) made.partitionKey = event.partitionKey;
  if (properties && !isEmpty(properties)) made.properties = properties;
  if (systemProperties && !isEmpty(systemProperties)) made.systemProperties = systemProperties;
  return made;
}

/** The same event as {@link toIngestEvent} makes of the one that the client makes of this message. */
export function eventOfMessage({ annotations, fields, application, data }: Quick): IngestEvent {
  const { seq, offset, enqueuedMs, partitionKey, others } = annotations;
  const system = others === undefined ? fields : withTimesAsNumbers(others, fields);
  const encoding: unknown = system['contentEncoding'] ?? application?.['content-encoding'];
  const made: { -readonly [K in keyof IngestEvent]: IngestEvent[K] } = { seq, offset, enqueuedMs, body: data };
  if (typeof encoding === 'string') made.contentEncoding = encoding;
  if (partitionKey !== undefined) made.partitionKey = partitionKey;
  if (application !== undefined && !isEmpty(application)) made.properties = application;
  if (!isEmpty(system)) made.systemProperties = system;
  return made;
}

function withTimesAsNumbers(
  annotations: NonNullable<Quick['annotations']['others']>,
  fields: Quick['fields'],
): Readonly<Record<string, unknown>> {
  const system: Record<string, unknown> = { ...annotations, ...fields };
  for (const name in annotations) {
    const value = system[name];
    if (value instanceof Date) system[name] = value.getTime();
  }
  return system;
}

function isEmpty(values: object): boolean {
  for (const name in values) if (Object.hasOwn(values, name)) return false;
  return true;
}

/** As the client names it; the package that declares it is the client's own dependency, not ours. */
export type AmqpMessage = ReturnType<ReceivedEventData['getRawAmqpMessage']>;

/** System properties under the SDK's names, with the values of the message where those are bytes or dates. */
function ofMessage(
  system: Readonly<Record<string, unknown>>,
  { messageAnnotations, properties }: AmqpMessage,
): Readonly<Record<string, unknown>> {
  let copy: Record<string, unknown> | undefined;
  for (const name in system) {
    const value = system[name];
    if (typeof value !== 'object' || value === null) continue;
    const own: unknown = messageAnnotations?.[name] ?? properties?.[name as keyof typeof properties];
    if (own !== undefined) (copy ??= { ...system })[name] = own;
  }
  return copy ?? system;
}

/** The body as bytes: as sent, or what was parsed already as JSON text. Never throws. */
export function bodyBytes(body: unknown): Uint8Array | null {
  if (body === null || body === undefined) return null;
  if (body instanceof Uint8Array) return body;
  return Buffer.from(typeof body === 'string' ? body : jsonText(body), 'utf8');
}
