/**
 * SQL Server against the contract, in a database made for this run and dropped after it. Runs when
 * FLEETSCORE_TEST_SQL_URL names a server whose login may create databases, with any database in it:
 * FLEETSCORE_TEST_SQL_URL='Server=localhost;Database=master;User Id=sa;Password=...;TrustServerCertificate=true'
 */
import sql from 'mssql';
import { mssqlConfig } from '../../storage/mssql/config.ts';
import { openStore } from '../../storage/open-store.ts';
import { storeContract } from './store-contract.ts';

const url = process.env.FLEETSCORE_TEST_SQL_URL;

if (url === undefined || url === '') {
  // oxlint-disable-next-line jest/no-disabled-tests -- says in every run what was not run
  test.skip('SQL Server against the contract: not run, FLEETSCORE_TEST_SQL_URL is not set', () => {});
} else {
  const database = `fleetscore_test_${process.pid}_${Date.now()}`;
  const onServer = async (statement: string): Promise<void> => {
    const pool = await new sql.ConnectionPool(mssqlConfig(url)).connect();
    try {
      await pool.request().batch(statement);
    } finally {
      await pool.close();
    }
  };
  beforeAll(() => onServer(`CREATE DATABASE [${database}]`), 300_000);

  storeContract(
    async () => {
      const own = /^mssql:/i.test(url)
        ? url.replace(/^(mssql:\/\/[^/?]+)\/?[^?]*/i, `$1/${database}`)
        : url.replace(/(^|;)\s*(database|initial catalog)\s*=\s*("[^"]*"|[^;]*)/i, `$1Database=${database}`);
      const store = await openStore(own);
      await store.migrate();
      return store;
    },
    { runs: 8 },
  );
  // After the contract's own hook, which closes the store: hooks run in the order they are written.
  afterAll(() => onServer(`DROP DATABASE [${database}]`), 300_000);
}
