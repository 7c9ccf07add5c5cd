/** What the driver throws: which of it passes by itself, and how to tell the rest. */
import { FleetscoreError, messageOf } from '../../domain/errors.ts';

// Numbers of SQL Server and Azure SQL after which the same work can succeed.
const TRANSIENT = new Set([
  1205, // chosen as deadlock victim
  1222, // lock request timed out
  3960, // snapshot update conflict
  2601,
  2627, // another transaction wrote the key between our look and our insert: look again
  4060, // database not available (yet): serverless databases wake up
  40197,
  40501,
  40613,
  40143,
  40166,
  40540, // Azure: moved, busy, not available
  49918,
  49919,
  49920, // Azure: too many operations
  10928,
  10929,
  10936, // Azure: resource limits
  10053,
  10054,
  10060,
  10061, // connection broken or refused
  64,
  121,
  233,
  258,
  20,
  26,
  -2, // connection lost, time-outs
  4221,
  615,
  913,
  926, // secondary or database still coming up
]);
const TRANSIENT_CODES = new Set([
  'ESOCKET',
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNCLOSED',
  'ENOTOPEN',
  'ETIMEOUT',
  'ETIMEDOUT',
  'EPIPE',
  'ECONNECTION',
  'ENOCONN',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUTPOOL',
  'EABORT',
]);

/** Thrown inside a transaction to have it done again: it lost a race that it can win next time. */
export class LostRace extends Error {}

/** Error and its causes, whatever the driver wrapped them in. */
function* parts(error: unknown, depth = 0): Generator<{ readonly number?: unknown; readonly code?: unknown }> {
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

export function isTransient(error: unknown): boolean {
  if (error instanceof FleetscoreError) return false;
  if (error instanceof LostRace) return true;
  for (const { number, code } of parts(error)) {
    if (typeof number === 'number' && TRANSIENT.has(number)) return true;
    if (typeof code === 'string' && TRANSIENT_CODES.has(code)) return true;
    if ((error as Error).name === 'TimeoutError') return true; // no free connection in the pool
  }
  return false;
}

/** `where` names server and database, never the login's secret. */
export function storeError(error: unknown, where: string): FleetscoreError {
  if (error instanceof FleetscoreError) return error;
  const numbers = errorNumbers(error);
  const said = `${messageOf(error)}${numbers[0] === undefined ? '' : ` (error ${numbers[0]})`}`;
  const fail = (code: string, message: string, retryable = false): FleetscoreError =>
    new FleetscoreError(code, message, { retryable, cause: error });

  if (numbers.includes(208) || numbers.includes(207))
    return fail('SCHEMA_MISSING', `${where} lacks tables of this version: ${said}. Run \`fleetscore db migrate\`.`);
  if (numbers.includes(18456))
    return fail(
      'STORE_ERROR',
      `${where} refused the login: ${said}. Check the user, or give this identity a user in the database.`,
    );
  if (numbers.includes(229) || numbers.includes(262))
    return fail(
      'STORE_ERROR',
      `${where} does not allow this: ${said}. Give the user the roles db_datareader, db_datawriter and, to migrate, db_ddladmin.`,
    );
  if (numbers.includes(40615))
    return fail(
      'STORE_ERROR',
      `${where} does not let this address in: ${said}. Add it to the server's firewall, or use a private endpoint.`,
    );
  if (isTransient(error))
    return fail(
      'STORE_UNAVAILABLE',
      `${where} did not answer as it should, after several tries: ${said}. Check that it is up and reachable, then try again.`,
      true,
    );
  return fail('STORE_ERROR', `${where} failed: ${said}.`);
}
