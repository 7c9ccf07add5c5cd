/**
 * Events with readings that could not be taken, one JSON blob an event. The name derives from the event, so a
 * redelivered event finds its blob there. The whole body is kept: after the cause is mended (or the limits
 * are wider) the event can be sent again, and the readings that were good the first time change nothing.
 */
import type { EventData, EventHubProducerClient } from '@azure/event-hubs';
import { CONTAINERS } from '../domain/blob-names.ts';
import { defined } from '../domain/defined.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { checkFormat, FORMATS } from '../domain/format.ts';
import { compactTime, isoTime } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { BAD_ROWS_PROPERTY } from './drop/marks.ts';
import { bodyBytes, type IngestEvent } from './event.ts';
import { jsonText } from './json-text.ts';
import { REPLAYED, type Replayed } from './mapping/facts.ts';
import type { Findings, Problem, ReasonCounts } from './parse/problems.ts';
import { propertyValue, utf8 } from './property.ts';

export interface DeadLetter {
  /** Version of this form, where it is stored; absent before there were any. */
  readonly format?: number;
  readonly partition: string;
  readonly sequenceNumber: number;
  readonly offset: string;
  /** ISO 8601. */
  readonly enqueuedTime: string;
  readonly partitionKey?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  /** Annotations and AMQP's own properties, which a mapping may need; absent in letters of versions before 0.3. */
  readonly systemProperties?: Readonly<Record<string, unknown>>;
  readonly contentEncoding?: string;
  /** The first ones. */
  readonly problems: readonly Problem[];
  /** How many readings and events were not taken, by reason; absent in letters of versions before 0.3. */
  readonly reasons?: ReasonCounts;
  /** The body as sent, base64. */
  readonly body: string;
  /** The body as text, when it is short and UTF-8. */
  readonly text?: string;
  /** Why body, text and properties are not here: Blob refused the whole letter. The event is in raw capture. */
  readonly leftOut?: string;
}

export interface StoredDeadLetter extends DeadLetter {
  /** Name of the blob. */
  readonly name: string;
}

/** Largest body that is also kept as text, bytes, and longest JSON of properties, characters. */
const MAX_TEXT_BYTES = 16 * 1024;
const MAX_PROPERTIES = 64 * 1024;

/** @param folder `{namespace}/{hub}` */
export function deadLetterName(
  folder: string,
  partition: string,
  event: Pick<IngestEvent, 'seq' | 'enqueuedMs'>,
): string {
  // The time keeps the letters of a hub apart from those of one deleted before under the same name.
  return `${folder}/${partition}/${String(event.seq).padStart(16, '0')}-${compactTime(event.enqueuedMs)}.json`;
}

/** The letter of an event. Bounded by its body: a text would repeat it, properties could be larger. */
export function deadLetter(partition: string, event: IngestEvent, findings: Findings): DeadLetter {
  const body = bodyBytes(event.body) ?? new Uint8Array();
  const text = body.length <= MAX_TEXT_BYTES ? utf8(body) : undefined;
  const properties = plainProperties(event.properties);
  const systemProperties = plainProperties(event.systemProperties);
  return {
    partition,
    sequenceNumber: event.seq,
    offset: event.offset,
    enqueuedTime: isoTime(event.enqueuedMs),
    ...(event.partitionKey === undefined ? undefined : { partitionKey: event.partitionKey }),
    ...(properties === undefined ? undefined : { properties }),
    ...(systemProperties === undefined ? undefined : { systemProperties }),
    ...(event.contentEncoding === undefined ? undefined : { contentEncoding: event.contentEncoding }),
    problems: findings.problems,
    reasons: findings.reasons,
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64'),
    ...(text === undefined ? undefined : { text }),
  };
}

/** The same without what can be large or strange. */
export const shortLetter = (letter: DeadLetter, leftOut: string): DeadLetter => ({
  partition: letter.partition,
  sequenceNumber: letter.sequenceNumber,
  offset: letter.offset,
  enqueuedTime: letter.enqueuedTime,
  problems: letter.problems.slice(0, 1),
  ...(letter.reasons === undefined ? undefined : { reasons: letter.reasons }),
  body: '',
  leftOut,
});

/** @param replace a letter that is there is not this one, as it is after a restart, but says less */
export async function putDeadLetter(
  blobs: BlobStore,
  folder: string,
  letter: DeadLetter,
  replace = false,
): Promise<void> {
  const at = { seq: letter.sequenceNumber, enqueuedMs: Date.parse(letter.enqueuedTime) };
  // Under an immutability policy one that is there could not be written over.
  await (replace ? blobs.put : blobs.putIfAbsent)(
    CONTAINERS.deadletters,
    deadLetterName(folder, letter.partition, at),
    Buffer.from(`${JSON.stringify({ format: FORMATS.deadLetter, ...letter })}\n`),
    'application/json',
  );
}

/**
 * As a mapping sees them, in JSON; undefined where there are none, or more than a letter should hold.
 */
function plainProperties(properties: IngestEvent['properties']): Readonly<Record<string, unknown>> | undefined {
  if (properties === undefined) return undefined;
  const plain = Object.entries(properties).map(([name, value]) => [name, propertyValue(value) ?? null]);
  const text = jsonText(Object.fromEntries(plain));
  return text.length > MAX_PROPERTIES ? undefined : (JSON.parse(text) as Record<string, unknown>);
}

/** By partition, then sequence number. @param prefix `{namespace}/{hub}/{partition}` or less */
export async function* listDeadLetters(blobs: BlobStore, prefix = ''): AsyncGenerator<StoredDeadLetter> {
  for await (const { name } of blobs.list(CONTAINERS.deadletters, prefix)) {
    const letter = await readDeadLetter(blobs, name);
    if (letter) yield letter;
  }
}

/** Undefined when someone else has replayed it since it was listed. */
async function readDeadLetter(blobs: BlobStore, name: string): Promise<StoredDeadLetter | undefined> {
  try {
    const letter = JSON.parse(Buffer.from(await blobs.get(CONTAINERS.deadletters, name)).toString()) as DeadLetter;
    checkFormat('deadLetter', letter.format, `the dead letter deadletters/${name}`);
    return { ...letter, name };
  } catch (error) {
    if (error instanceof FleetscoreError && error.code === 'BLOB_MISSING') return undefined;
    throw error;
  }
}

/** The event of a letter, as it came the first time. */
export const eventOfLetter = (letter: DeadLetter): IngestEvent => ({
  seq: letter.sequenceNumber,
  offset: letter.offset,
  enqueuedMs: Date.parse(letter.enqueuedTime),
  body: Buffer.from(letter.body, 'base64'),
  ...defined({
    partitionKey: letter.partitionKey,
    properties: letter.properties,
    systemProperties: letter.systemProperties,
    contentEncoding: letter.contentEncoding,
  }),
});

/**
 * What is sent for a letter. Nobody but the service can set annotations: they go along as a property
 * (mapping/facts.ts).
 */
export function replayedEvent(letter: DeadLetter): Required<Pick<EventData, 'body' | 'properties'>> {
  const { properties = {}, systemProperties, contentEncoding, enqueuedTime } = letter;
  const replayed: Replayed = { enqueuedMs: Date.parse(enqueuedTime), ...defined({ system: systemProperties }) };
  const all = {
    ...properties,
    ...(contentEncoding === undefined ? undefined : { 'content-encoding': contentEncoding }),
    // One that was sent again before keeps what it had the first time.
    ...(properties[REPLAYED] === undefined ? { [REPLAYED]: JSON.stringify(replayed) } : undefined),
  };
  return { body: Buffer.from(letter.body, 'base64'), properties: all };
}

/**
 * Sends dead letters again, each with its body, properties and partition key, and deletes those that were sent.
 * Dying in between sends some twice, which changes nothing. What is still wrong comes back as a new dead letter.
 * @returns how many were sent
 * @throws FleetscoreError `SEND_FAILED` (retryable); the letters not sent stay
 */
export async function replayDeadLetters(
  blobs: BlobStore,
  producer: EventHubProducerClient,
  prefix = '',
): Promise<number> {
  // Letters that are still wrong come back while this runs: only those there now are sent.
  const names: string[] = [];
  for await (const { name } of blobs.list(CONTAINERS.deadletters, prefix)) names.push(name);
  let sent = 0;
  for (const name of names) {
    const letter = await readDeadLetter(blobs, name);
    // Rows of a file that are no readings stay none, whoever sends them.
    if (!letter || letter.properties?.[BAD_ROWS_PROPERTY] !== undefined) continue;
    try {
      await producer.sendBatch(
        [replayedEvent(letter)],
        letter.partitionKey === undefined ? {} : { partitionKey: letter.partitionKey },
      );
    } catch (error) {
      throw new FleetscoreError(
        'SEND_FAILED',
        `the dead letter ${letter.name} could not be sent to event hub ${producer.eventHubName}: ` +
          `${messageOf(error)}. ${sent} were sent before it; run the replay again.`,
        { cause: error, retryable: true },
      );
    }
    await blobs.delete(CONTAINERS.deadletters, letter.name);
    sent++;
  }
  return sent;
}

/** The body of a letter as text, undefined when it is not UTF-8. */
export const letterText = (letter: DeadLetter): string | undefined =>
  letter.text ?? utf8(Buffer.from(letter.body, 'base64'));
