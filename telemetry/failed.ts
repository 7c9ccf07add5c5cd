/**
 * Why something failed, on its span. The exporter of Application Insights drops the text of a span's status, so that it
 * is an attribute as well; secrets are masked as they are in the log.
 */
import { SpanStatusCode, type Attributes, type Span } from '@opentelemetry/api';
import { messageOf } from '../domain/errors.ts';

/** Longer texts say no more. */
const LONGEST = 1_000;
const REASON = 'fleetscore.reason';

export const reasonText = (error: unknown): string => messageOf(error).slice(0, LONGEST);

export const reasonAttribute = (reason: string): Attributes => ({ [REASON]: reason });

/** Marks a span as failed. @returns the reason as it is told */
export function failedWith(span: Span, error: unknown): string {
  const message = reasonText(error);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  span.setAttributes(reasonAttribute(message));
  return message;
}
