/**
 * What the Blob client throws, told as a FleetscoreError: what passes can be tried again, what does not is final at
 * once and says what a person does. Keys and signatures never get into a message. Codes of the service:
 * https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes and common-rest-api-error-codes.
 */
import type { ErrorCode } from '../domain/error-codes.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { STALLED } from './deadline.ts';

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

const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** True for trouble that may be over with the next request: worth another try inside of the same call. */
export function passes(error: unknown): boolean {
  const { status, code } = statusOf(error);
  if (status !== undefined) return PASSING.has(status) || notTheService(status);
  // No answer at all. What is not of the network (no identity, a mistake of ours) is no better a moment later.
  return code === STALLED || (error as Error | undefined)?.name === 'RestError';
}

/** A good status and still an error: an answer that is cut short, or made by something between here and the service. */
const notTheService = (status: number): boolean => status >= 200 && status < 300;

const REHYDRATE =
  'It is in the archive tier: rehydrate it (`az storage blob set-tier --tier Hot`), wait until that is done ' +
  '(hours), then try again.';
const ROLE =
  'Give this identity the role Storage Blob Data Contributor (a new role takes up to ten minutes), or check ' +
  'the account key, the clock of this machine and the firewall of the account.';

/** What no further try mends, by the service's code: code of ours, and what a person does. */
const FINAL: Readonly<Record<string, readonly [code: ErrorCode, remedy: string]>> = {
  BlobArchived: ['BLOB_ARCHIVED', REHYDRATE],
  BlobBeingRehydrated: [
    'BLOB_ARCHIVED',
    'It is being rehydrated from the archive tier, which takes hours: try again when it is done.',
  ],
  InvalidBlobType: [
    'BLOB_WRONG_TYPE',
    'Another kind of blob has this name (a block blob where lines are appended, or the other way): move it away.',
  ],
  BlobImmutableDueToPolicy: [
    'BLOB_IMMUTABLE',
    'An immutability policy or a legal hold keeps it as it is: what is there stays.',
  ],
  PublicAccessNotPermitted: [
    'BLOB_ERROR',
    'The request came without a key or an identity, and the account allows no public access: set ' +
      'FLEETSCORE_BLOB_URL (identity) or a connection string with a key.',
  ],
  KeyBasedAuthenticationNotPermitted: [
    'BLOB_ERROR',
    'The account takes no keys: set FLEETSCORE_BLOB_URL instead of a connection string, and give this ' +
      'identity the role Storage Blob Data Contributor.',
  ],
  AccountIsDisabled: ['BLOB_ERROR', 'The account is disabled, often for a subscription that is not paid: enable it.'],
  InsufficientAccountPermissions: [
    'BLOB_ERROR',
    'The account may only be read (a lock, or a region that is away): let it be written to.',
  ],
  AuthorizationSourceIPMismatch: [
    'BLOB_ERROR',
    'The signature is good for other addresses than the one of this machine.',
  ],
  AuthorizationProtocolMismatch: ['BLOB_ERROR', 'The account takes https only: use an https address.'],
  AccountRequiresHttps: ['BLOB_ERROR', 'The account takes https only: use an https address.'],
};

export function blobError(error: unknown, call: BlobCall): FleetscoreError {
  if (error instanceof FleetscoreError) return error;
  const { status, code } = statusOf(error);
  const what = call.blob === undefined ? `container ${call.container}` : `blob ${call.container}/${call.blob}`;
  const where = `${what} of storage account ${call.account}`;
  const said = [status, code].filter((part) => part !== undefined).join(' ');
  const cannot = `Cannot ${call.doing} ${where}`;
  const later = { retryable: true, retryAfterMs: retryAfterOf(error) };

  if (code === 'ContainerNotFound' || code === 'ContainerBeingDeleted')
    return new FleetscoreError(
      'BLOB_CONTAINER_MISSING',
      `${cannot}: container ${call.container} ` +
        `${code === 'ContainerNotFound' ? 'does not exist' : 'is being deleted'}. ` +
        'The control worker and the ingest worker create it when they start: if it was deleted, start ' +
        'one of them again.',
      later,
    );
  if (status === 404) return new FleetscoreError('BLOB_MISSING', `There is no ${where}.`);
  const final = code === undefined ? undefined : FINAL[code];
  if (final) return new FleetscoreError(final[0], `${cannot} (${said}). ${final[1]}`);
  if (status === 507)
    return new FleetscoreError(
      'BLOB_ERROR',
      `${cannot} (${said}). The account is full: raise its quota, or delete what is old.`,
    );
  if (status === 401 || status === 403)
    return new FleetscoreError('BLOB_FORBIDDEN', `Not allowed to ${call.doing} ${where} (${said}). ${ROLE}`, later);
  // No status: no answer came. 409 here is a lease, which passes; so does a list of blocks that another writer
  // committed.
  if (status === undefined || status === 409 || code === 'InvalidBlockList' || passes(error) || status >= 500) {
    const reason = said === '' || code === STALLED ? scrub(messageOf(error)) : `${said}: ${scrub(messageOf(error))}`;
    return new FleetscoreError('BLOB_UNAVAILABLE', `${cannot} now (${reason}). ${remedyFor(status)}`, later);
  }
  return new FleetscoreError('BLOB_ERROR', `${cannot} (${said}: ${scrub(messageOf(error))}).`);
}

const remedyFor = (status: number | undefined): string =>
  status !== undefined && notTheService(status)
    ? 'Something between here and the account answers in its place, or cuts its answers short: check the ' +
      'proxy, then try again.'
    : 'Check that the account answers, then try again.';

/** A service that asks for more is asked again after this: what it wants may have changed. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000;

/** The pause that the answer asks for: `x-ms-retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110). */
export function retryAfterOf(error: unknown): number | undefined {
  const { response } = (error ?? {}) as { response?: { headers?: { get?: (name: string) => string | undefined } } };
  const exact = response?.headers?.get?.('x-ms-retry-after-ms') ?? response?.headers?.get?.('retry-after-ms');
  const text = response?.headers?.get?.('retry-after');
  const ms = exact !== undefined && /^\d+$/.test(exact) ? Number(exact) : pauseOf(text);
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS) : undefined;
}

/** `Retry-After`: seconds, or a date. NaN when it is neither. */
function pauseOf(text: string | undefined): number {
  if (text === undefined || text === '') return Number.NaN;
  return /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
}

/** The first line, without anything that looks like a secret. */
function scrub(message: string): string {
  return message
    .split('\n', 1)[0]!
    .replace(/\b(AccountKey|SharedAccessSignature|sig)=[^;&\s]+/gi, '$1=...')
    .slice(0, 300);
}
