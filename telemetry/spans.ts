/**
 * Spans of what an activity does. Only below a span that is recorded, and no more than a few hundred an activity:
 * a chunk of a thousand models must not make a thousand spans.
 */
import {
  context,
  createContextKey,
  ROOT_CONTEXT,
  SpanKind,
  trace,
  type Context,
  type Tracer,
} from '@opentelemetry/api';
import { SamplingDecision, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace-base';
import { failedWith } from './failed.ts';
import type { SpanTarget } from './types.ts';

/** Spans below one activity. */
export const MOST_SPANS = 200;

interface Budget {
  left: number;
  refused: number;
}

const BUDGET = createContextKey('fleetscore span budget');

export const withBudget = (parent: Context): { readonly context: Context; readonly budget: Budget } => {
  const budget = { left: MOST_SPANS, refused: 0 };
  return { context: parent.setValue(BUDGET, budget), budget };
};

/** True when one more span may be made here; counts it. */
export function mayStart(parent: Context): boolean {
  const budget = parent.getValue(BUDGET) as Budget | undefined;
  if (!budget || !trace.getSpan(parent)?.isRecording()) return false;
  if (budget.left <= 0) {
    budget.refused += 1;
    return false;
  }
  budget.left -= 1;
  return true;
}

/** The same answer for a trace in every process with the same ratio. */
export function isSampled(ratio: number): (traceId: string) => boolean {
  const sampler = new TraceIdRatioBasedSampler(ratio);
  return (traceId) => sampler.shouldSample(ROOT_CONTEXT, traceId).decision === SamplingDecision.RECORD_AND_SAMPLED;
}

/** `target` with a span around its asynchronous methods, while an activity is traced. */
export function traced<T extends object>(
  tracer: Tracer,
  target: T,
  { prefix, methods, attributes = {}, remote = false }: SpanTarget,
): T {
  const wrapped = new Map<string | symbol, unknown>();
  return new Proxy(target, {
    get(object, name, receiver) {
      const value: unknown = Reflect.get(object, name, receiver);
      if (typeof value !== 'function' || typeof name !== 'string' || (methods && !methods.includes(name))) return value;
      if (!wrapped.has(name))
        wrapped.set(name, (...args: unknown[]): unknown => {
          const parent = context.active();
          if (!mayStart(parent)) return Reflect.apply(value, object, args);
          const span = tracer.startSpan(
            `${prefix} ${name}`,
            {
              kind: remote ? SpanKind.CLIENT : SpanKind.INTERNAL,
              attributes: { ...attributes, ...(remote ? { 'db.operation.name': name } : {}) },
            },
            parent,
          );
          return context.with(trace.setSpan(parent, span), async () => {
            try {
              return (await Reflect.apply(value, object, args)) as unknown;
            } catch (error) {
              failedWith(span, error);
              throw error;
            } finally {
              span.end();
            }
          });
        });
      return wrapped.get(name);
    },
  });
}
