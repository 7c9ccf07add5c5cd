/**
 * Body of an event -> readings, or the reason why not. Pure, and decided by the event alone: "now" is the time
 * the event was enqueued, so redelivery and a rebuild from raw capture accept exactly the same readings. It never
 * throws, and what it returns is bounded whatever the event holds.
 */
import { messageOf } from '../domain/errors.ts';
import { decodeBody, type BodyLimits, type EventBody } from './parse/body.ts';
import { countOf, gatherProblems, oneProblem, type Problem, type ReasonCounts } from './parse/problems.ts';
import { createReadingParser, type ParsedReading, type ReadingRules } from './parse/reading.ts';
import { tooManyItems } from './parse/shape.ts';
import { HOUR_MS } from '../domain/time.ts';

export type { EventBody } from './parse/body.ts';
export type { PoisonReason, Problem, ReasonCounts } from './parse/problems.ts';
export type { FieldNames, ParsedReading, Quality } from './parse/reading.ts';

export interface ParsedEvent {
  readonly readings: readonly ParsedReading[];
  /** The first few; empty when all of the event was taken. */
  readonly problems: readonly Problem[];
  /** How many readings and events were not taken, by reason; absent when all were. */
  readonly reasons?: ReasonCounts;
}

export interface ParseSettings extends ReadingRules, BodyLimits {
  /** Readings later than the event's enqueued time plus this are refused, ms. */
  readonly clockSkewMs: number;
}

export const PARSE_DEFAULTS: ParseSettings = {
  fields: {
    ts: ['ts', 'TS', 'Ts', 'timestamp', 'Timestamp'],
    device: ['device', 'Device'],
    sensor: ['sensor', 'Sensor'],
    value: ['value', 'Value'],
    quality: ['quality', 'Quality'],
  },
  clockSkewMs: HOUR_MS,
  maxBodyBytes: 1024 * 1024,
  maxInflatedBytes: 16 * 1024 * 1024,
  maxItems: 50_000,
};

export type EventParser = (event: EventBody) => ParsedEvent;

const NONE: readonly Problem[] = [];

export function createEventParser(settings: ParseSettings = PARSE_DEFAULTS): EventParser {
  const readOne = createReadingParser(settings);
  const parse = (event: EventBody): ParsedEvent => {
    if (event.unreadable !== undefined)
      return refused({ reason: 'unreadable', message: event.unreadable.slice(0, 200) });
    const content = decodeBody(event, settings);
    if ('reason' in content) return refused(content);
    const { json } = content;
    const items: readonly unknown[] = Array.isArray(json) ? json : [json];
    if (items.length > settings.maxItems) return refused(tooManyItems(items.length, settings));
    const latestMs = event.enqueuedMs + settings.clockSkewMs;
    const readings: ParsedReading[] = [];
    let problems: ReturnType<typeof gatherProblems> | undefined;
    for (let index = 0; index < items.length; index++) {
      const item = readOne(items[index], latestMs);
      if ('reason' in item) (problems ??= gatherProblems()).add(items === json ? { ...item, index } : item);
      else readings.push(item);
    }
    return problems?.found ? { readings, ...problems.found } : { readings, problems: NONE };
  };
  return (event) => {
    try {
      return parse(event);
    } catch (error) {
      return refused({ reason: 'unreadable', message: `reading it failed: ${messageOf(error).slice(0, 200)}` });
    }
  };
}

const refused = (problem: Problem): ParsedEvent => ({ readings: [], ...oneProblem(problem) });

/** Readings and whole events that were not taken. */
export const deadIn = (parsed: ParsedEvent): number => countOf(parsed);
