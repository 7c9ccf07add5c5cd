/** Which errors of SQL Server are tried again, and how the rest is told. */
import { jest } from '@jest/globals';
import sql from 'mssql';
import { FleetscoreError } from '../../domain/errors.ts';
import { patiently } from '../../storage/mssql/connection.ts';
import { storeError } from '../../storage/mssql/errors.ts';
import { AttentionTokenHandler } from 'tedious/lib/token/handler.js';
import { isTransient, LostRace } from '../../storage/mssql/transient.ts';

/** As the driver wraps what the server says. */
function serverError(number: number, message = 'said the server'): Error {
  const inner = Object.assign(new Error(message), { info: { number, message } });
  const error = new sql.RequestError(inner, 'EREQUEST');
  return Object.assign(error, { number });
}

test.each([1205, 40613, 40197, 40501, 49918, 49919, 49920, 4060, 10928, 10929, 10053, 10054, 10060, 233, 64, 2627])(
  '%i is tried again',
  (number) => {
    expect(isTransient(serverError(number))).toBe(true);
  },
);

test.each(['ESOCKET', 'ETIMEOUT', 'ECONNCLOSED'] as const)('%s is tried again', (code) => {
  expect(isTransient(new sql.ConnectionError('lost', code))).toBe(true);
});

test('an answer that is out of step with what was called off is tried again, in the words of the driver', () => {
  const handler = new AttentionTokenHandler({} as never, {} as never);
  let said: unknown;
  try {
    handler.onDatabaseChange({ name: 'ENVCHANGE' } as never);
  } catch (error) {
    said = error;
  }
  expect(said).toMatchObject({ message: expect.stringContaining('ENVCHANGE') });
  expect(isTransient(said)).toBe(true);
});

test('a deadlock inside a failed transaction is found', () => {
  const outer = Object.assign(new Error('Transaction has been aborted.'), {
    code: 'EREQUEST',
    precedingErrors: [serverError(1205)],
  });
  expect(isTransient(outer)).toBe(true);
  expect(
    isTransient(new AggregateError([new Error('x'), Object.assign(new Error('y'), { code: 'ECONNREFUSED' })])),
  ).toBe(true);
});

test.each([102, 156, 245, 515, 8152, 18456])('%i is not', (number) => {
  expect(isTransient(serverError(number))).toBe(false);
});

test.each([
  [208, 'SCHEMA_MISSING', /fleetscore db migrate/],
  [18456, 'STORE_ERROR', /refused the login/],
  [229, 'STORE_ERROR', /db_datawriter/],
  [40615, 'STORE_ERROR', /firewall/],
  [1205, 'STORE_UNAVAILABLE', /try again/],
  [8152, 'STORE_ERROR', /error 8152/],
])('%i is told as %s', (number, code, remedy) => {
  const error = storeError(serverError(number), 'The SQL Server store fleet on h');
  expect(error).toMatchObject({ code, retryable: code === 'STORE_UNAVAILABLE' });
  expect(error.message).toMatch(remedy);
  expect(error.message).toContain('fleet on h');
});

test('work is done again until it succeeds', async () => {
  const failures = [serverError(1205), new LostRace('another commit')];
  const attempts: number[] = [];
  const result = await patiently('db', async (attempt) => {
    attempts.push(attempt);
    const failure = failures.shift();
    if (failure) throw failure;
    return 'done';
  });
  expect(result).toBe('done');
  expect(attempts).toEqual([1, 2, 3]);
});

test('work that fails for good, or refuses, is not done again', async () => {
  for (const error of [serverError(515), new FleetscoreError('PROGRESS_CONFLICT', 'no')]) {
    const work = jest.fn(() => Promise.reject(error));
    await expect(patiently('db', work)).rejects.toBeInstanceOf(FleetscoreError);
    expect(work).toHaveBeenCalledTimes(1);
  }
});
