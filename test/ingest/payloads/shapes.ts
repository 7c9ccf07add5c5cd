/**
 * Forms in which events arrive in practice, by the services, SDKs and gateways that make them, and what becomes of each
 * without a mapping and with the one that is meant for it. docs/payloads.md shows them, and a test runs every row.
 */
import type { ReceivedEventData } from '@azure/event-hubs';
import { toIngestEvent, type IngestEvent } from '../../../ingest/event.ts';
import { ENCODINGS, WIDE } from './encodings.ts';
import { READINGS } from './readings.ts';
import { AZURE } from './services.ts';
import { ENQUEUED, type Shape } from './shape.ts';
import { STANDARDS } from './standards.ts';

export const SHAPES: Readonly<Record<string, readonly Shape[]>> = {
  'Readings as they are, and details that differ': READINGS,
  'Encodings and AMQP': ENCODINGS,
  'Every number is a sensor': WIDE,
  'Services of Azure': AZURE,
  Standards: STANDARDS,
};

/** The event as the client of Event Hubs hands it over. */
export const eventOf = ({ body, contentEncoding, properties, annotations }: Shape): IngestEvent =>
  toIngestEvent({
    body,
    sequenceNumber: 7,
    offset: '700',
    enqueuedTimeUtc: new Date(ENQUEUED),
    partitionKey: null,
    ...(properties ? { properties } : {}),
    systemProperties: { ...annotations, ...(contentEncoding ? { contentEncoding } : {}) },
  } as ReceivedEventData);
