/** Spans of workflows, from what they tell when they end: their ids and times are theirs, so they are made by hand. */
import {
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Attributes,
  type HrTime,
  type SpanContext,
} from '@opentelemetry/api';
import { hrTimeDuration, millisToHrTime, type InstrumentationScope } from '@opentelemetry/core';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { reasonAttribute, reasonText } from './failed.ts';
import type { WorkflowSpan } from '../domain/trace.ts';

/** A batch that was due longer ago was made up for later: nothing waited all that time. */
const LONGEST_DELAY_MS = 5 * 60_000;

export interface SpanFrame {
  readonly sampled: (traceId: string) => boolean;
  readonly resource: Resource;
  readonly scope: InstrumentationScope;
  /** Of every span. */
  readonly attributes: Attributes;
}

/** The span of the run, and below it in the first workflow of a trace the one of what started it. */
export function workflowSpans(
  span: WorkflowSpan,
  { sampled, resource, scope, attributes: ofAll }: SpanFrame,
): ReadableSpan[] {
  if (!sampled(span.traceId)) return [];
  const { startMs, endMs, started, batch } = span;
  const error = span.error === undefined ? undefined : reasonText(span.error);
  const common: Attributes = { ...ofAll, ...(batch === undefined ? {} : { 'fleetscore.batch': batch }) };
  const make = (
    name: string,
    kind: SpanKind,
    spanId: string,
    parentSpanId: string | undefined,
    fromMs: number,
    attributes: Attributes,
  ): ReadableSpan => {
    const [startTime, endTime]: [HrTime, HrTime] = [millisToHrTime(fromMs), millisToHrTime(endMs)];
    const own: SpanContext = { traceId: span.traceId, spanId, traceFlags: TraceFlags.SAMPLED };
    return {
      name,
      kind,
      spanContext: () => own,
      startTime,
      endTime,
      duration: hrTimeDuration(startTime, endTime),
      ended: true,
      resource,
      instrumentationScope: scope,
      ...(parentSpanId === undefined ? {} : { parentSpanContext: { ...own, spanId: parentSpanId, isRemote: true } }),
      status: error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
      attributes: { ...common, ...(error === undefined ? {} : reasonAttribute(error)), ...attributes },
      links: [],
      events: [],
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  };
  const run = make(span.workflowType, SpanKind.SERVER, span.spanId, span.parentSpanId, startMs, {
    'temporal.workflow_type': span.workflowType,
    'temporal.workflow_id': span.workflowId,
    'temporal.run_id': span.runId,
  });
  if (!started) return [run];
  const { schedule, dueMs } = started;
  const delayMs = dueMs === undefined ? 0 : startMs - dueMs;
  const fromMs = delayMs > 0 && delayMs <= LONGEST_DELAY_MS ? startMs - delayMs : startMs;
  const start = make(
    schedule === undefined ? 'batch by hand' : `schedule ${schedule}`,
    SpanKind.SERVER,
    span.parentSpanId,
    undefined,
    fromMs,
    {
      ...(schedule === undefined ? {} : { 'temporal.schedule_id': schedule }),
      ...(dueMs === undefined ? {} : { 'temporal.scheduled_time': new Date(dueMs).toISOString() }),
    },
  );
  return [start, run];
}
