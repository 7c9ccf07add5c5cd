/**
 * What an error of the Event Hubs client says: one that was tried several times hides every reason in an
 * `AggregateError`.
 */
import { messageOf } from '../domain/errors.ts';

export interface Reason {
  /** The client's (`ServerBusyError`, `UnauthorizedError`) or the system's (`ECONNREFUSED`). */
  readonly code: string | undefined;
  readonly name: string;
  readonly error: string;
  /** How often it was tried. */
  readonly tries: number;
}

/**
 * The last reason, with code and message (@azure/core-amqp 4.4.2, retry.js: after the last try all errors are thrown as
 * one, without a message).
 */
export function reasonOf(thrown: unknown): Reason {
  const errors = thrown instanceof AggregateError ? (thrown.errors as readonly unknown[]) : [];
  const last = errors.length > 0 ? errors.at(-1) : thrown;
  const { code, name } = last as { readonly code?: unknown; readonly name?: unknown };
  return {
    code: code === undefined ? undefined : String(code),
    name: String(name),
    error: (last instanceof Error ? last.message : messageOf(last)) || String(name),
    tries: Math.max(1, errors.length),
  };
}

/**
 * Whether the service does not know the offset from which to read: "The supplied offset '45213' is invalid. The last
 * offset in the system is '21384'" (as in azure-sdk-for-net 7164 and azure-sdk-for-python 30931).
 */
export function refusesPosition(thrown: unknown): boolean {
  const { code, error } = reasonOf(thrown);
  return code === 'ArgumentError' && /\boffset\b/i.test(error);
}

/**
 * Whether the service ended the reading because another reader of the consumer group takes precedence
 * (`amqp:link:stolen`).
 */
export function wasTaken(thrown: unknown): boolean {
  const { code, name } = reasonOf(thrown);
  return code === 'ReceiverDisconnectedError' || name === 'ReceiverDisconnectedError';
}
