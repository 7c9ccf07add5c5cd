/**
 * Traces of batches, the part inside workflows: hands the trace on to children and activities by a header, and
 * tells of a run when it ends. Part of the bundle only where tracing is on. It adds no command, waits for nothing
 * and takes no random number, so histories replay with it and without it, also when it was switched in between.
 */
import { defaultPayloadConverter } from '@temporalio/common';
import { proxySinks, workflowInfo, type Sinks, type WorkflowInterceptors } from '@temporalio/workflow';
import {
  fromTraceparent,
  spanIdOf,
  startSpanIdOf,
  toTraceparent,
  TRACE_HEADER,
  traceIdOf,
  type TraceContext,
  type WorkflowSpan,
} from '../domain/trace.ts';
import { ATTRIBUTES, SCHEDULED_BY_ID, SCHEDULED_START_TIME } from './attributes.ts';
import { SCORE_BATCH, SCORE_SENSORS } from './names.ts';

export interface TraceSinks extends Sinks {
  readonly trace: {
    ended(span: WorkflowSpan): void;
  };
}

/** Loops that never end would make traces that never end. */
const TRACED: ReadonlySet<string> = new Set([SCORE_BATCH, SCORE_SENSORS]);

export function interceptors(): WorkflowInterceptors {
  const { workflowType, workflowId, runId, startTime } = workflowInfo();
  if (!TRACED.has(workflowType)) return {};
  const { trace } = proxySinks<TraceSinks>();
  let own: TraceContext = { traceId: traceIdOf(runId), spanId: spanIdOf(runId) };
  const carried = <T extends { readonly headers: Readonly<Record<string, unknown>> }>(input: T): T => ({
    ...input,
    headers: { ...input.headers, [TRACE_HEADER]: defaultPayloadConverter.toPayload(toTraceparent(own)) },
  });

  return {
    inbound: [
      {
        async execute(input, next) {
          const header = input.headers[TRACE_HEADER];
          const parent = header ? fromTraceparent(defaultPayloadConverter.fromPayload(header)) : undefined;
          if (parent) own = { ...own, traceId: parent.traceId };
          const end = (error?: unknown): void => {
            const { typedSearchAttributes: attributes } = workflowInfo();
            const [schedule, due] = [attributes.get(SCHEDULED_BY_ID), attributes.get(SCHEDULED_START_TIME)];
            const batch =
              attributes.get(ATTRIBUTES.batch) ?? (input.args[0] as { batchId?: string } | undefined)?.batchId;
            trace.ended({
              ...own,
              parentSpanId: parent?.spanId ?? startSpanIdOf(runId),
              workflowType,
              workflowId,
              runId,
              startMs: startTime.getTime(),
              endMs: Date.now(),
              ...(batch === undefined ? {} : { batch }),
              ...(error === undefined ? {} : { error: deepestText(error) }),
              ...(parent
                ? {}
                : {
                    started: {
                      ...(schedule === undefined ? {} : { schedule }),
                      ...(due ? { dueMs: due.getTime() } : {}),
                    },
                  }),
            });
          };
          try {
            const result = await next(input);
            end();
            return result;
          } catch (error) {
            end(error);
            throw error;
          }
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) => next(carried(input)),
        startChildWorkflowExecution: (input, next) => next(carried(input)),
      },
    ],
  };
}

/** Temporal wraps what failed: `Activity task failed` says nothing. */
function deepestText(error: unknown): string {
  let deepest = error;
  while (deepest instanceof Error && deepest.cause instanceof Error) deepest = deepest.cause;
  return deepest instanceof Error ? deepest.message : String(deepest);
}
