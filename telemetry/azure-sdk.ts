/**
 * Spans of the Azure SDK (Blob, management API), through the interface that it offers for that: each call of a
 * client, and each HTTP request in it, below the activity that makes it.
 */
import { useInstrumenter, type Instrumenter, type TracingContext, type TracingSpan } from '@azure/core-tracing';
import {
  context,
  INVALID_SPAN_CONTEXT,
  SpanKind,
  trace,
  type AttributeValue,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { fromTraceparent, toTraceparent } from '../domain/trace.ts';
import { failedWith, reasonText } from './failed.ts';
import { mayStart } from './spans.ts';

const KINDS: Readonly<Record<string, SpanKind>> = {
  client: SpanKind.CLIENT,
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
};

/** The two libraries define a context alike. */
const theirs = (own: Context): TracingContext => own;
const ours = (their: TracingContext | undefined): Context => their ?? context.active();

export function traceAzureSdk(tracer: Tracer): void {
  const instrumenter: Instrumenter = {
    startSpan(name, options) {
      const parent = ours(options.tracingContext);
      if (!mayStart(parent))
        return { span: asTheirs(trace.wrapSpanContext(INVALID_SPAN_CONTEXT)), tracingContext: theirs(parent) };
      const span = tracer.startSpan(
        name,
        {
          kind: KINDS[options.spanKind ?? 'client'] ?? SpanKind.CLIENT,
          attributes: addressed((options.spanAttributes ?? {}) as Record<string, AttributeValue>),
        },
        parent,
      );
      return { span: asTheirs(span), tracingContext: theirs(trace.setSpan(parent, span)) };
    },
    withContext: (inside, callback, ...args) => context.with(ours(inside), callback, undefined, ...args),
    parseTraceparentHeader(header) {
      const parsed = fromTraceparent(header);
      return parsed && theirs(trace.setSpanContext(context.active(), { ...parsed, traceFlags: 1, isRemote: true }));
    },
    createRequestHeaders(inside) {
      const span = trace.getSpan(ours(inside));
      return span?.isRecording() ? { traceparent: toTraceparent(span.spanContext()) } : {};
    },
  };
  useInstrumenter(instrumenter);
}

/**
 * Host and first folder (a container, or an API) of an address: names of blobs hold devices, and each would be a row of
 * its own.
 */
const CUT = /^(https?:\/\/([^/?#]+)(?:\/[^/?#]*)?).*$/s;

/**
 * Attributes with the address of a request cut after its container, and its host as the name of the other side.
 * Exported for tests.
 */
export function addressed(attributes: Record<string, AttributeValue>): Record<string, AttributeValue> {
  const [, address, host] = CUT.exec(String(attributes['http.url'] ?? '')) ?? [];
  return address === undefined ? attributes : { ...attributes, 'http.url': address, 'peer.service': host! };
}

/** Addresses of blobs may carry a signature: what follows the question mark stays out. */
const harmless = (value: unknown): AttributeValue =>
  typeof value === 'string' ? value.replace(/\?.*$/s, '') : (value as AttributeValue);

function asTheirs(span: Span): TracingSpan {
  return {
    setStatus: (status) =>
      void (
        status.status === 'error' &&
        failedWith(
          span,
          String(status.error instanceof Error ? status.error.message : (status.error ?? '')).split('\n')[0],
        )
      ),
    setAttribute: (name, value) =>
      void (value !== undefined && value !== null && span.setAttributes(addressed({ [name]: harmless(value) }))),
    end: () => span.end(),
    recordException: (error) =>
      span.recordException(
        typeof error === 'string' ? reasonText(error) : { name: error.name, message: reasonText(error), stack: '' },
      ),
    isRecording: () => span.isRecording(),
    addEvent: (name, options) =>
      void span.addEvent(name, (options?.attributes ?? {}) as Record<string, AttributeValue>, options?.startTime),
  };
}
