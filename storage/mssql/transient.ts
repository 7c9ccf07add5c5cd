/**
 * Which errors of the driver pass by themselves. Numbers come from Microsoft's own lists (SqlClient
 * `SqlConfigurableRetryFactory`, EF Core `SqlServerTransientExceptionDetector`) as far as they can meet disk tables;
 * codes and words are those of tedious 20 and of Node. What passes at once is tried again at once, what is worth less
 * patience (a name that does not resolve, nobody who listens, an identity without token) for a shorter time: it may be
 * a wrong setting.
 */
import { FleetscoreError } from '../../domain/errors.ts';

/** `passes`: tried again. `brief`: tried again for a short time, as a wrong setting looks the same. */
export type Verdict = 'passes' | 'brief' | 'final';

const NUMBERS = {
  /** Two that met: deadlock victim, lock timed out, snapshot conflict, no lock resources. */
  met: [1203, 1204, 1205, 1221, 1222, 3935, 3960, 3966],
  /** Another transaction wrote the key between our look and our insert: look again. */
  taken: [2601, 2627],
  /** A database that is coming up, wakes up, moves or fails over. */
  moving: [615, 617, 669, 913, 921, 922, 926, 976, 978, 983, 988, 4060, 4221, 9515, 20041, 42029],
  movingOnAzure: [40020, 40143, 40166, 40197, 40540, 40613, 40642, 40648, 40671, 40675, 49977, 49983],
  /** A server that starts, ends, upgrades or ended this session. */
  starting: [596, 6005, 17187, 17197, 18401, 18451],
  /** Azure: busy, too many operations, limits of resources. */
  busy: [10928, 10929, 10936, 40501, 40549, 40550, 49510, 49918, 49919, 49920],
  /** No memory, no worker, no grant now. */
  noMemory: [701, 802, 8628, 8645, 8651],
  /** Connection lost, refused or out of time. */
  lost: [-2, 20, 26, 64, 121, 233, 258, 997, 10053, 10054, 10060, 10061, 11001],
} as const;

/** Numbers of SQL Server and Azure SQL after which the same work can succeed. */
const PASSING: ReadonlySet<number> = new Set(Object.values(NUMBERS).flat());

const PASSING_CODES: ReadonlySet<string> = new Set([
  'ESOCKET',
  'ECONNRESET',
  'ECONNABORTED',
  'ECONNCLOSED',
  'ECLOSE',
  'ENOTOPEN',
  'ENOTBEGUN',
  'ETIMEOUT',
  'ETIMEDOUT',
  'EPIPE',
  'ECONNECTION',
  'ENOCONN',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ETIMEDOUTPOOL',
  'EABORT',
  'ECANCEL',
  // The connection ended between two statements: the driver then refuses the next one.
  'EINVALIDSTATE',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
]);

const BRIEF_CODES: ReadonlySet<string> = new Set(['ENOTFOUND', 'ECONNREFUSED', 'EFEDAUTH', 'EINSTLOOKUP']);

/** A certificate that is not trusted, or no encryption: no later try sees another one. */
const FINAL_CODE =
  /^(EENCRYPT|CERT_|ERR_TLS_CERT|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET_ISSUER)|ERR_SSL_WRONG_VERSION)/;

/**
 * Lost connections that the driver tells in words alone: the peer ended TLS, the answer was cut, or out of step with
 * what was called off (it closes the connection itself), an error of Node.
 */
const PASSING_WORDS = new RegExp(
  'unexpected end of (message stream|data)|unexpected token `\\w+` in `\\w+TokenHandler`|' +
    'ended without ever completing|socket hang up|\\b(ECONNRESET|EPIPE|ETIMEDOUT)\\b',
  'i',
);

/** Thrown inside a transaction to have it done again: it lost a race that it can win next time. */
export class LostRace extends Error {}

interface Part {
  readonly number?: unknown;
  readonly code?: unknown;
  readonly name?: unknown;
  readonly message?: unknown;
}

/** Error and its causes, whatever the driver wrapped them in. */
function* parts(error: unknown, depth = 0): Generator<Part> {
  if (typeof error !== 'object' || error === null || depth > 5) return;
  yield error;
  const { originalError, cause, errors, precedingErrors, info } = error as Record<string, unknown>;
  for (const inner of [originalError, cause, info]) yield* parts(inner, depth + 1);
  for (const list of [errors, precedingErrors])
    if (Array.isArray(list)) for (const inner of list) yield* parts(inner, depth + 1);
}

export function errorNumbers(error: unknown): number[] {
  return [...parts(error)].flatMap(({ number }) => (typeof number === 'number' ? [number] : []));
}

export function errorCodes(error: unknown): string[] {
  return [...parts(error)].flatMap(({ code }) => (typeof code === 'string' ? [code] : []));
}

export const isCertificateTrouble = (error: unknown): boolean =>
  errorCodes(error).some((code) => FINAL_CODE.test(code));

/** What to think of an error of the driver, by its numbers, then its codes, then its words. */
export function verdictOn(error: unknown): Verdict {
  if (error instanceof FleetscoreError) return 'final';
  if (error instanceof LostRace) return 'passes';
  if (isCertificateTrouble(error)) return 'final';
  let verdict: Verdict = 'final';
  for (const { number, code, name, message } of parts(error)) {
    if (typeof number === 'number' && PASSING.has(number)) return 'passes';
    if (typeof code === 'string' && BRIEF_CODES.has(code)) verdict = 'brief';
    else if (verdict === 'final' && passesByWord(code, name, message)) verdict = 'passes';
  }
  return verdict;
}

function passesByWord(code: unknown, name: unknown, message: unknown): boolean {
  if (typeof code === 'string' && PASSING_CODES.has(code)) return true;
  if (name === 'TimeoutError') return true; // no free connection in the pool
  return typeof message === 'string' && PASSING_WORDS.test(message);
}

/** Trouble that can pass by itself. */
export const isTransient = (error: unknown): boolean => verdictOn(error) !== 'final';
