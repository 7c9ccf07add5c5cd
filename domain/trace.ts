/**
 * Traces of batches. Their ids derive from run ids, which are random already: replay makes the same ones, and no
 * generator is needed where workflows run. The W3C form `traceparent` is what travels. Pure.
 */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
}

/** Header of activities and child workflows. */
export const TRACE_HEADER = 'traceparent';

const hexOf = (runId: string): string => runId.replaceAll('-', '').toLowerCase();

/** The trace of a batch: the one run id of its workflow. */
export const traceIdOf = (runId: string): string => hexOf(runId);
/** The span of a workflow run: the random half of its run id. */
export const spanIdOf = (runId: string): string => hexOf(runId).slice(16);
/** The span above the workflow of a batch: what started it. */
export const startSpanIdOf = (runId: string): string => `${hexOf(runId).slice(16, 30)}00`;

export const toTraceparent = ({ traceId, spanId }: TraceContext): string => `00-${traceId}-${spanId}-01`;

const FORM = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;

/** Undefined for what is no trace context, or the empty one. */
export function fromTraceparent(text: unknown): TraceContext | undefined {
  const match = typeof text === 'string' ? FORM.exec(text) : null;
  return !match || /^0+$/.test(match[1]!) || /^0+$/.test(match[2]!)
    ? undefined
    : { traceId: match[1]!, spanId: match[2]! };
}

/** A workflow run that ended, as its sandbox tells the worker. Times in epoch ms. */
export interface WorkflowSpan extends TraceContext {
  readonly parentSpanId: string;
  readonly workflowType: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly batch?: string;
  /** Why it failed; absent when it did not. */
  readonly error?: string;
  /** Of the first workflow of a trace: what started it, and when that was due. */
  readonly started?: { readonly schedule?: string; readonly dueMs?: number };
}
