/**
 * One error type for everything a user can mend. The code is stable and machine-readable, the message
 * names the thing, the value and the remedy, `retryable` says whether trying again can help, `retryAfterMs`
 * when, where a service has said so.
 */
import type { ErrorCode } from './error-codes.ts';
import { redact } from './redact.ts';

export class FleetscoreError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { retryable?: boolean; retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'FleetscoreError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** A process lacks the key of an encrypted payload: another one, or itself after a restart, may have it. */
export const PAYLOAD_KEY_UNKNOWN = 'PAYLOAD_KEY_UNKNOWN';

/**
 * Codes of trouble that is nobody's fault in the work: the service is away, throttles, or does not let us in yet. It
 * passes, or a person mends it; the work is tried again for as long as `workflows/policies.ts` says.
 */
export const OUTAGE_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'BLOB_UNAVAILABLE',
  'BLOB_FORBIDDEN',
  'BLOB_CONTAINER_MISSING',
  'STORE_UNAVAILABLE',
]);

/** The message of whatever was thrown, without secrets: SDKs put whole connection strings into theirs. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '')
    return [...new Set(error.errors.map(messageOf))].join('; ');
  return redact(error instanceof Error ? error.message : String(error));
}
