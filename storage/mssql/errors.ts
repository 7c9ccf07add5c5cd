/** What the driver throws, told to people: the cause as the server said it, and the remedy that fits. */
import type { ErrorCode } from '../../domain/error-codes.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { errorNumbers, isCertificateTrouble, errorCodes, isTransient } from './transient.ts';

interface Advice {
  readonly numbers: readonly number[];
  readonly code?: ErrorCode;
  /** Reads after `The SQL Server store NAME on SERVER`. */
  readonly problem: string;
  readonly remedy: string;
}

/** Errors that no later try ends, with what a person does about each. */
const ADVICE: readonly Advice[] = [
  {
    numbers: [208, 207],
    code: 'SCHEMA_MISSING',
    problem: 'lacks tables of this version',
    remedy: 'Run `fleetscore db migrate`.',
  },
  {
    numbers: [18456, 18452, 18470, 18486, 18487, 18488],
    problem: 'refused the login',
    remedy: 'Check the user, or give this identity a user in the database.',
  },
  {
    numbers: [229, 230, 262, 297, 300],
    problem: 'does not allow this',
    remedy: 'Give the user the roles db_datareader, db_datawriter and, to migrate, db_ddladmin.',
  },
  {
    numbers: [40615, 40914],
    problem: 'does not let this address in',
    remedy: "Add it to the server's firewall, or use a private endpoint.",
  },
  { numbers: [47073], problem: 'allows no public access', remedy: 'Connect through its private endpoint.' },
  {
    numbers: [40544, 1105, 9002, 1101],
    problem: 'is full',
    remedy: 'Make room with `fleetscore db prune`, or give the database a larger maximum size.',
  },
  {
    numbers: [8152, 2628],
    problem: 'has no room for a text this long',
    remedy: 'Give a shorter name.',
  },
  {
    numbers: [2601, 2627],
    problem: 'holds this key already, written by another',
    remedy: 'Try again; where it stays, report it with this text.',
  },
];

/** Numbers with which a database says that it wakes up, fails over or is scaled. */
const NOT_AVAILABLE: ReadonlySet<number> = new Set([4060, 40197, 40501, 40613, 40143, 40540, 921, 922, 18401, 17187]);

/** `where` names server and database, never the login's secret. @throws nothing; gives the error to throw */
export function storeError(error: unknown, where: string): FleetscoreError {
  if (error instanceof FleetscoreError) return error;
  const numbers = errorNumbers(error);
  const said = saidBy(error, numbers);
  const fail = (code: ErrorCode, message: string, retryable = false): FleetscoreError =>
    new FleetscoreError(code, message, { retryable, cause: error });

  const advice = ADVICE.find((one) => one.numbers.some((number) => numbers.includes(number)));
  const passes = isTransient(error);
  // A login that is refused because its database is not available comes with both numbers.
  if (advice && !(passes && numbers.some((number) => NOT_AVAILABLE.has(number))))
    return fail(advice.code ?? 'STORE_ERROR', `${where} ${advice.problem}: ${said}. ${advice.remedy}`, passes);
  if (isCertificateTrouble(error))
    return fail(
      'STORE_ERROR',
      `${where} shows a certificate that is not trusted, or does not encrypt: ${said}. ` +
        'Install its certificate authority (NODE_EXTRA_CA_CERTS), or on a test server add TrustServerCertificate=true.',
    );
  if (passes)
    return fail(
      'STORE_UNAVAILABLE',
      `${where} ${unavailable(numbers, errorCodes(error))}: ${said}. ${remedy(error)}`,
      true,
    );
  return fail('STORE_ERROR', `${where} failed: ${said}.`);
}

const saidBy = (error: unknown, numbers: readonly number[]): string =>
  `${messageOf(error).replace(/\.$/, '')}${numbers[0] === undefined ? '' : ` (error ${numbers[0]})`}`;

function unavailable(numbers: readonly number[], codes: readonly string[]): string {
  if (numbers.some((number) => NOT_AVAILABLE.has(number))) return 'was not available, after several tries';
  return codes.includes('EFEDAUTH')
    ? 'could not be asked, as Microsoft Entra gave no token'
    : 'did not answer as it should, after several tries';
}

function remedy(error: unknown): string {
  const codes = errorCodes(error);
  if (codes.includes('EFEDAUTH'))
    return 'Check that this identity exists here: a managed identity, AZURE_CLIENT_ID and its secret, or `az login`.';
  if (codes.includes('ENOTFOUND')) return 'Check the name of the server, and the DNS of its private endpoint.';
  if (errorNumbers(error).includes(4060)) return 'Check that the database exists, then try again.';
  return 'Check that it is up and reachable, then try again.';
}

/** One sentence for who waits for a first connection. */
export function waitingText(error: unknown, where: string, forMs: number): string {
  const numbers = errorNumbers(error);
  const waking = numbers.some((number) => NOT_AVAILABLE.has(number));
  return (
    `${where} is not there yet${waking ? ' and may be waking up' : ''} (${saidBy(error, numbers)}). ` +
    `Trying for ${Math.round(forMs / 1000)} s.`
  );
}
