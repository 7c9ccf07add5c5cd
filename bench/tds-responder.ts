/**
 * The TDS server of the tests, with TLS, in a process of its own: what it does is no work of the client that is
 * measured. Sends its connection string to whoever forked it, and ends with it. Its one argument is a file of SQLite.
 */
import { onSqlite } from '../test/support/tds/on-sqlite.ts';
import { startTdsServer } from '../test/support/tds/server.ts';

const server = await startTdsServer({ tls: true, engine: onSqlite(process.argv[2]!) });
process.on('disconnect', () => process.exit());
process.send!(server.url());
