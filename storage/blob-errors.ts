/** What the Blob client throws, told as a FleetscoreError. Keys and signatures never get into a message. */
import { FleetscoreError, messageOf } from '../domain/errors.ts';

interface BlobCall {
  readonly account: string;
  /** `read`, `write`, ... */
  readonly doing: string;
  readonly container: string;
  readonly blob: string | undefined;
}

/** HTTP status and the service's error code, as far as there was an answer. */
export function statusOf(error: unknown): { readonly status: number | undefined; readonly code: string | undefined } {
  const { statusCode, code, details } = (error ?? {}) as {
    statusCode?: unknown;
    code?: unknown;
    details?: { errorCode?: unknown };
  };
  const named = typeof details?.errorCode === 'string' ? details.errorCode : code;
  return {
    status: typeof statusCode === 'number' ? statusCode : undefined,
    code: typeof named === 'string' ? named : undefined,
  };
}

export function blobError(error: unknown, call: BlobCall): FleetscoreError {
  if (error instanceof FleetscoreError) return error;
  const { status, code } = statusOf(error);
  const what = call.blob === undefined ? `container ${call.container}` : `blob ${call.container}/${call.blob}`;
  const where = `${what} of storage account ${call.account}`;
  const said = [status, code].filter((part) => part !== undefined).join(' ');

  if (code === 'ContainerNotFound')
    return new FleetscoreError(
      'BLOB_MISSING',
      `Cannot ${call.doing} ${where}: container ${call.container} does not exist. Start a fleetscore worker once: it creates the containers.`,
    );
  if (status === 404) return new FleetscoreError('BLOB_MISSING', `There is no ${where}.`);
  if (status === 401 || status === 403)
    return new FleetscoreError(
      'BLOB_ERROR',
      `Not allowed to ${call.doing} ${where} (${said}). Give this identity the role Storage Blob Data Contributor, or check the account key.`,
    );
  // No status: no answer came. 409 here is a lease or a container on its way out, which passes.
  if (status === undefined || status === 408 || status === 409 || status === 429 || status >= 500) {
    const reason = said === '' ? scrub(messageOf(error)) : `${said}: ${scrub(messageOf(error))}`;
    return new FleetscoreError(
      'BLOB_UNAVAILABLE',
      `Cannot ${call.doing} ${where} now (${reason}). Check that the account answers, then try again.`,
      { retryable: true, retryAfterMs: retryAfterOf(error) },
    );
  }
  return new FleetscoreError('BLOB_ERROR', `Cannot ${call.doing} ${where} (${said}: ${scrub(messageOf(error))}).`);
}

/** A service that asks for more is asked again after this: what it wants may have changed. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000;

/** What the answer's `Retry-After` says, in seconds or as a date (RFC 9110). */
function retryAfterOf(error: unknown): number | undefined {
  const { response } = (error ?? {}) as { response?: { headers?: { get?: (name: string) => string | undefined } } };
  const text = response?.headers?.get?.('retry-after');
  if (text === undefined || text === '') return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS) : undefined;
}

/** The first line, without anything that looks like a secret. */
function scrub(message: string): string {
  return message
    .split('\n', 1)[0]!
    .replace(/\b(AccountKey|SharedAccessSignature|sig)=[^;&\s]+/gi, '$1=...')
    .slice(0, 300);
}
