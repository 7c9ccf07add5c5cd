/**
 * Body of an event -> readings, or the reason why not. Pure, and decided by the event alone: "now" is the time
 * the event was enqueued, so redelivery and a rebuild from raw capture accept exactly the same readings. It never
 * throws, and what it returns is bounded whatever the event holds.
 */
import { badRowsOf } from './drop/bad-rows.ts';
import { messageOf } from '../domain/errors.ts';
import { shown } from '../domain/describe.ts';
import { jsonText } from './json-text.ts';
import { createMappingApplier, type Sink } from './mapping/apply.ts';
import { factsOf, saysReadings } from './mapping/facts.ts';
import type { Mapping } from './mapping/mapping.ts';
import { decodeBody, parseInside, type BodyLimits, type Decoded, type EventBody } from './parse/body.ts';
import { countOf, gatherProblems, oneProblem, type Problem, type ReasonCounts } from './parse/problems.ts';
import { createReadingCheck, createReadingParser, type ParsedReading, type ReadingRules } from './parse/reading.ts';
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
  /** For events in other forms than that of docs/readings.md; `fields` count without one only. */
  readonly mapping?: Mapping;
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
  const takeBodies = settings.mapping === undefined ? takeReadings(settings) : takeMapped(settings, settings.mapping);
  const { fields } = PARSE_DEFAULTS;
  const takeOwn = takeReadings({ ...settings, fields, timeUnit: 'ms' });
  const parse = (event: EventBody): ParsedEvent => {
    if (event.unreadable !== undefined)
      return refused({ reason: 'unreadable', message: event.unreadable.slice(0, 200) });
    const rows = badRowsOf(event);
    if (rows) return { readings: [], ...rows };
    const content = decodeBody(event, settings);
    if ('reason' in content) return refused(content);
    return saysReadings(event) ? takeOwn(content, event) : takeBodies(content, event);
  };
  return (event) => {
    try {
      return parse(event);
    } catch (error) {
      return refused({ reason: 'unreadable', message: `reading it failed: ${messageOf(error).slice(0, 200)}` });
    }
  };
}

type Content = Exclude<Decoded, Problem>;
type TakeContent = (content: Content, event: EventBody) => ParsedEvent;

/** A reading, or an array of them, in the fields that the settings name. */
function takeReadings(settings: ParseSettings): TakeContent {
  const readOne = createReadingParser(settings);
  return (content, { enqueuedMs }) => {
    const { items, isList, bad } = itemsOf(content);
    if (items.length > settings.maxItems) return refused(tooManyItems(items.length, settings));
    const latestMs = enqueuedMs + settings.clockSkewMs;
    const readings: ParsedReading[] = [];
    let problems: ReturnType<typeof gatherProblems> | undefined;
    for (let index = 0; index < items.length; index++) {
      const read = bad?.get(index) ?? readOne(items[index], latestMs);
      if ('reason' in read) (problems ??= gatherProblems()).add(isList ? { ...read, index } : read);
      else readings.push(read);
    }
    return problems?.found ? { readings, ...problems.found } : { readings, problems: NONE };
  };
}

interface Items {
  readonly items: readonly unknown[];
  /** Whether the place of an item says something. */
  readonly isList: boolean;
  /** Lines that are no JSON, by their place. */
  readonly bad?: ReadonlyMap<number, Problem>;
}

/** What a body holds side by side: the lines of one of JSON lines, the elements of an array, or the body alone. */
function itemsOf(content: Content): Items {
  if ('json' in content) {
    const { json } = content;
    return Array.isArray(json) ? { items: json, isList: true } : { items: [json], isList: false };
  }
  const bad = new Map<number, Problem>();
  const items = content.lines.map((line, i) => {
    if ('json' in line) return line.json;
    bad.set(i, line);
    return undefined;
  });
  return { items, isList: true, bad };
}

/** Bodies of any form, by a mapping. */
function takeMapped(settings: ParseSettings, mapping: Mapping): TakeContent {
  const apply = createMappingApplier({
    mapping,
    check: createReadingCheck(),
    timeUnit: settings.timeUnit,
    defaultDevice: settings.defaultDevice,
    parse: (text) => parseInside(text, settings),
  });
  return (content, event) => {
    // What a client of AMQP has parsed becomes what a capture file will hold of it.
    const plain =
      'json' in content && typeof event.body === 'object' && !(event.body instanceof Uint8Array)
        ? { json: JSON.parse(jsonText(content.json)) as unknown }
        : content;
    const { items, isList, bad }: Items =
      mapping.wholeArray && 'json' in plain ? { items: [plain.json], isList: false } : itemsOf(plain);
    if (items.length > settings.maxItems) return refused(tooManyItems(items.length, settings));
    const facts = factsOf(event);
    const latestMs = event.enqueuedMs + settings.clockSkewMs;
    const readings: ParsedReading[] = [];
    const problems = gatherProblems();
    let taken = 0;
    let index = 0;
    const sink: Sink = {
      reading: (reading) => void readings.push(reading),
      problem: (problem) => problems.add(isList ? { ...problem, index } : problem),
      room: () => ++taken <= settings.maxItems,
    };
    for (; index < items.length && taken <= settings.maxItems; index++) {
      const item = items[index];
      const badLine = bad?.get(index);
      if (badLine) sink.problem(badLine);
      else if (typeof item === 'object' && item !== null && (mapping.wholeArray || !Array.isArray(item)))
        apply(item, facts, latestMs, sink);
      else sink.problem({ reason: 'not_a_reading', message: `a body must be a JSON object, got ${shown(item)}` });
    }
    if (taken > settings.maxItems) return refused(tooManyItems(taken, settings));
    return problems.found ? { readings, ...problems.found } : { readings, problems: NONE };
  };
}

const refused = (problem: Problem): ParsedEvent => ({ readings: [], ...oneProblem(problem) });

/** Readings and whole events that were not taken. */
export const deadIn = (parsed: ParsedEvent): number => countOf(parsed);
