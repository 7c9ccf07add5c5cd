/**
 * Sends readings to an event hub. A device's readings keep their order: its name is the partition key, and its
 * events are sent one after the other. Memory is bounded by a round of readings, however long the input is.
 */
import type { EventData, EventDataBatch, EventHubProducerClient } from '@azure/event-hubs';
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { Reading } from '../domain/reading.ts';
import { SEND_PROPERTY } from '../domain/send-tally.ts';
import { isoTime, type TimeUnit } from '../domain/time.ts';
import { FORM } from './mapping/facts.ts';
import { FIRST_CERTAIN_MS } from './parse/time.ts';

export interface SentReading extends Reading {
  /** For ingest's filter of good ones. */
  readonly quality?: string;
}

export interface SendOptions {
  readonly producer: EventHubProducerClient;
  /** Readings a second; as fast as possible when absent. */
  readonly rate?: number;
  /** Consecutive readings of a device in one event, default 50. */
  readonly readingsPerEvent?: number;
  /** What ingest takes numbers in the field of the time for, default milliseconds (FLEETSCORE_FIELD_TS_UNIT). */
  readonly timeUnit?: TimeUnit;
  /** Marks every event, so that ingest counts what becomes of them; see `Store.openSend`. */
  readonly sendId?: string;
  readonly onProgress?: (progress: SendProgress) => void;
  /** Ends between two rounds; what was sent stays sent. */
  readonly signal?: AbortSignal;
}

export interface SendProgress {
  /** Readings that the event hub has accepted. */
  readonly sent: number;
  readonly events: number;
}

export interface SendResult extends SendProgress {
  /** Sequence number of the newest event of each partition after sending; -1 for an empty one. */
  readonly lastSequenceNumbers: Readonly<Record<string, number>>;
}

/** Readings held at once. */
const ROUND = 20_000;
/**
 * Time that a round covers, where it holds enough to send: devices follow each other in it, and beyond the tolerance
 * for disorder (FLEETSCORE_OUT_OF_ORDER, 30 s) the readings of the later ones would count as late.
 */
const ROUND_SPAN_MS = 30_000;
/** Readings of a device that are worth a request of their own. */
const ENOUGH = 20;
/** Rounds a second when there is a rate, so that it flows rather than jumps. */
const ROUNDS_PER_SECOND = 5;
const BATCHES_AT_ONCE = 16;
const READINGS_PER_EVENT = 50;

/** @throws FleetscoreError `SEND_FAILED` (retryable; sending again changes nothing), `EVENT_TOO_LARGE` */
export async function sendReadings(
  readings: Iterable<SentReading> | AsyncIterable<SentReading>,
  options: SendOptions,
): Promise<SendResult> {
  const { producer, rate, onProgress, signal } = options;
  if (rate !== undefined && !(rate > 0))
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `the rate must be a number of readings a second above 0, got ${rate}.`,
    );
  const perEvent = Math.max(1, options.readingsPerEvent ?? READINGS_PER_EVENT);
  const roundSize = rate === undefined ? ROUND : Math.max(1, Math.min(ROUND, Math.ceil(rate / ROUNDS_PER_SECOND)));
  const startedAtMs = performance.now();
  let sent = 0;
  let events = 0;
  let round = new Map<string, SentReading[]>();
  let held = 0;

  const send = async (devices: Map<string, SentReading[]>, count: number): Promise<void> => {
    if (rate !== undefined) {
      const aheadMs = (sent / rate) * 1000 - (performance.now() - startedAtMs);
      if (aheadMs > 1) await sleep(aheadMs, undefined, signal ? { signal } : {}).catch(() => {});
    }
    if (signal?.aborted) return;
    const queue = [...devices];
    await Promise.all(
      Array.from({ length: Math.min(BATCHES_AT_ONCE, queue.length) }, async () => {
        for (let next = queue.pop(); next; next = queue.pop()) {
          const count = await sendDevice(producer, next[0], next[1], perEvent, options);
          events += count;
        }
      }),
    );
    sent += count;
    onProgress?.({ sent, events });
  };

  // The next round is gathered while one is on its way.
  let sending: Promise<void> = Promise.resolve();
  const endRound = async (): Promise<void> => {
    await sending;
    sending = send(round, held);
    // Awaited a round later; a failure meanwhile must not be an unhandled one.
    sending.catch(() => {});
    round = new Map();
    held = 0;
  };
  let earliestMs = 0;
  for await (const reading of readings) {
    if (signal?.aborted) break;
    if (round.size > 1 && held >= ENOUGH * round.size && reading.tsMs - earliestMs >= ROUND_SPAN_MS) await endRound();
    earliestMs = held === 0 ? reading.tsMs : Math.min(earliestMs, reading.tsMs);
    const list = round.get(reading.device);
    if (list) list.push(reading);
    else round.set(reading.device, [reading]);
    if (++held >= roundSize) await endRound();
  }
  await sending;
  if (held > 0) await send(round, held);
  return { sent, events, lastSequenceNumbers: await lastSequenceNumbers(producer) };
}

/** @returns number of events */
async function sendDevice(
  producer: EventHubProducerClient,
  device: string,
  readings: readonly SentReading[],
  perEvent: number,
  options: Pick<SendOptions, 'timeUnit' | 'sendId'>,
): Promise<number> {
  try {
    let events = 0;
    let batch: EventDataBatch | undefined;
    for (let i = 0; i < readings.length; i += perEvent) {
      const event = toEvent(readings.slice(i, i + perEvent), options);
      events++;
      batch ??= await producer.createBatch({ partitionKey: device });
      if (batch.tryAdd(event)) continue;
      if (batch.count > 0) await producer.sendBatch(batch);
      batch = await producer.createBatch({ partitionKey: device });
      if (!batch.tryAdd(event))
        throw new FleetscoreError(
          'EVENT_TOO_LARGE',
          `${Math.min(perEvent, readings.length - i)} readings of device ${JSON.stringify(device)} do not ` +
            `fit into one event of at most ${batch.maxSizeInBytes} bytes. Send fewer readings an event.`,
        );
    }
    if (batch && batch.count > 0) await producer.sendBatch(batch);
    return events;
  } catch (error) {
    if (error instanceof FleetscoreError) throw error;
    throw new FleetscoreError(
      'SEND_FAILED',
      `sending to event hub ${producer.eventHubName} of ${producer.fullyQualifiedNamespace} failed: ` +
        `${messageOf(error)}. Check that it runs and that the connection may send; ` +
        'then send all again: readings sent twice count once.',
      { cause: error, retryable: true },
    );
  }
}

/**
 * Readings as an event has them. Times are epoch milliseconds; where a number could be taken for another unit, or
 * ingest is set to one, ISO 8601 text.
 */
export const readingRows = (
  readings: readonly SentReading[],
  timeUnit: TimeUnit = 'ms',
): readonly Readonly<Record<string, unknown>>[] =>
  readings.map(({ tsMs, device, sensor, value, quality }) => ({
    ts: timeUnit === 'ms' && tsMs >= FIRST_CERTAIN_MS ? tsMs : isoTime(tsMs),
    device,
    sensor,
    value,
    // JSON leaves out what is undefined.
    quality,
  }));

/** One reading is an object, several are an array. */
function toEvent(
  readings: readonly SentReading[],
  { timeUnit, sendId }: Pick<SendOptions, 'timeUnit' | 'sendId'>,
): EventData {
  const rows = readingRows(readings, timeUnit);
  return {
    body: Buffer.from(JSON.stringify(rows.length === 1 ? rows[0] : rows)),
    contentType: 'application/json',
    properties: { [FORM.name]: FORM.readings, ...(sendId === undefined ? undefined : { [SEND_PROPERTY]: sendId }) },
  };
}

async function lastSequenceNumbers(producer: EventHubProducerClient): Promise<Record<string, number>> {
  const partitions = await producer.getPartitionIds();
  const all = await Promise.all(partitions.map((partition) => producer.getPartitionProperties(partition)));
  return Object.fromEntries(
    all.map(({ partitionId, isEmpty, lastEnqueuedSequenceNumber }) => [
      partitionId,
      isEmpty ? -1 : lastEnqueuedSequenceNumber,
    ]),
  );
}
