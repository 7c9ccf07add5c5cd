/** A span of every activity whose workflow sent a trace along. */
import { ROOT_CONTEXT, SpanKind, trace, TraceFlags, context, type Tracer } from '@opentelemetry/api';
import { defaultPayloadConverter } from '@temporalio/common';
import type { SensorRange } from '../workflows/activities.ts';
import { redact } from '../domain/redact.ts';
import { fromTraceparent, TRACE_HEADER } from '../domain/trace.ts';
import { failedWith } from './failed.ts';
import { withBudget } from './spans.ts';
import type { Telemetry } from './types.ts';

export function traceActivities(tracer: Tracer, sampled: (traceId: string) => boolean): Telemetry['activity'] {
  return ({ info }) => ({
    inbound: {
      async execute(input, next) {
        const header = input.headers[TRACE_HEADER];
        const parent = header ? fromTraceparent(defaultPayloadConverter.fromPayload(header)) : undefined;
        if (!parent || !sampled(parent.traceId)) return next(input);
        const above = trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceFlags: TraceFlags.SAMPLED, isRemote: true });
        const { batchId, range } = (input.args[0] ?? {}) as { batchId?: string; range?: SensorRange };
        const span = tracer.startSpan(
          info.activityType,
          {
            kind: SpanKind.SERVER,
            attributes: {
              'temporal.workflow_id': info.workflowExecution?.workflowId ?? '',
              'temporal.run_id': info.workflowExecution?.runId ?? '',
              'temporal.activity_id': info.activityId,
              'temporal.task_queue': info.taskQueue,
              'temporal.attempt': info.attempt,
              'temporal.waited_ms': Math.max(0, Date.now() - info.currentAttemptScheduledTimestampMs),
              ...(batchId === undefined ? {} : { 'fleetscore.batch': batchId }),
              ...(range === undefined
                ? {}
                : {
                    'fleetscore.sensor_from': range.from,
                    'fleetscore.sensor_to': range.to,
                    'fleetscore.sensors': range.count,
                  }),
              ...(range?.single === undefined
                ? {}
                : { 'fleetscore.device': range.single.device, 'fleetscore.sensor': range.single.sensor }),
            },
          },
          above,
        );
        const { context: inside, budget } = withBudget(trace.setSpan(above, span));
        try {
          return await context.with(inside, () => next(input));
        } catch (error) {
          const message = failedWith(span, error);
          if (error instanceof Error)
            span.recordException({ name: error.name, message, stack: redact(error.stack ?? message) });
          throw error;
        } finally {
          if (budget.refused > 0) span.setAttribute('fleetscore.spans_left_out', budget.refused);
          span.end();
        }
      },
    },
  });
}
