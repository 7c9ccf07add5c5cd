/**
 * Events with readings that could not be taken, one JSON blob an event. The name derives from the event, so a
 * redelivered event finds its blob there. The whole body is kept: after the cause is mended (or the limits
 * are wider) the event can be sent again, and the readings that were good the first time change nothing.
 */
import type { EventHubProducerClient } from '@azure/event-hubs';
import { CONTAINERS } from '../domain/blob-names.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { compactTime, isoTime } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { bodyBytes, type IngestEvent } from './event.ts';
import type { Problem } from './parse-event.ts';

export interface DeadLetter {
  readonly partition: string;
  readonly sequenceNumber: number;
  readonly offset: string;
  /** ISO 8601. */
  readonly enqueuedTime: string;
  readonly partitionKey?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly contentEncoding?: string;
  readonly problems: readonly Problem[];
  /** The body as sent, base64. */
  readonly body: string;
  /** The body as text, when it is UTF-8. */
  readonly text?: string;
}

export interface StoredDeadLetter extends DeadLetter {
  /** Name of the blob. */
  readonly name: string;
}

/** @param folder `{namespace}/{hub}` */
export function deadLetterName(
  folder: string,
  partition: string,
  event: Pick<IngestEvent, 'seq' | 'enqueuedMs'>,
): string {
  // The time keeps the letters of a hub apart from those of one deleted before under the same name.
  return `${folder}/${partition}/${String(event.seq).padStart(16, '0')}-${compactTime(event.enqueuedMs)}.json`;
}

export async function putDeadLetter(
  blobs: BlobStore,
  folder: string,
  partition: string,
  event: IngestEvent,
  problems: readonly Problem[],
): Promise<void> {
  const body = bodyBytes(event.body) ?? new Uint8Array();
  const text = utf8(body);
  const letter: DeadLetter = {
    partition,
    sequenceNumber: event.seq,
    offset: event.offset,
    enqueuedTime: isoTime(event.enqueuedMs),
    ...(event.partitionKey === undefined ? undefined : { partitionKey: event.partitionKey }),
    ...(event.properties === undefined ? undefined : { properties: event.properties }),
    ...(event.contentEncoding === undefined ? undefined : { contentEncoding: event.contentEncoding }),
    problems,
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64'),
    ...(text === undefined ? undefined : { text }),
  };
  // One that is there is this one, from before a restart; under an immutability policy it could not be written over.
  await blobs.putIfAbsent(
    CONTAINERS.deadletters,
    deadLetterName(folder, partition, event),
    Buffer.from(`${JSON.stringify(letter)}\n`),
    'application/json',
  );
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
    return {
      ...(JSON.parse(Buffer.from(await blobs.get(CONTAINERS.deadletters, name)).toString()) as DeadLetter),
      name,
    };
  } catch (error) {
    if (error instanceof FleetscoreError && error.code === 'BLOB_MISSING') return undefined;
    throw error;
  }
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
    if (!letter) continue;
    const properties = {
      ...letter.properties,
      ...(letter.contentEncoding === undefined ? undefined : { 'content-encoding': letter.contentEncoding }),
    };
    try {
      await producer.sendBatch(
        [
          {
            body: Buffer.from(letter.body, 'base64'),
            ...(Object.keys(properties).length > 0 ? { properties } : undefined),
          },
        ],
        letter.partitionKey === undefined ? {} : { partitionKey: letter.partitionKey },
      );
    } catch (error) {
      throw new FleetscoreError(
        'SEND_FAILED',
        `the dead letter ${letter.name} could not be sent to event hub ${producer.eventHubName}: ${messageOf(error)}. ${sent} were sent before it; run the replay again.`,
        { cause: error, retryable: true },
      );
    }
    await blobs.delete(CONTAINERS.deadletters, letter.name);
    sent++;
  }
  return sent;
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
