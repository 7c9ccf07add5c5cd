/**
 * Makes the schema of the store and a user for each worker, as the administrator of an Entra-only Azure SQL
 * database. Run at every deployment; what is there already stays. Each kind of worker reads everything and
 * writes only the tables of sql/grants.json.
 * usage: FLEETSCORE_SQL_URL=... DATABASE_USERS='[{"name":"id-control","id":"GUID","kind":"control"}]' start.js database
 */
import { readFileSync } from 'node:fs';

const GUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
/** Entra types of SQL Server: E is an application or a person, X a group. */
const TYPES = ['E', 'X'];

/**
 * Users from the text of the variable. `id` is the client id of an identity or application, the object id of a person
 * or group.
 * @throws Error that names what is wrong
 */
export function readUsers(text, grants) {
  let users;
  try {
    users = JSON.parse(text);
  } catch {
    throw new Error('DATABASE_USERS is not JSON');
  }
  if (!Array.isArray(users) || users.length === 0) throw new Error('DATABASE_USERS takes a list of { name, id, kind }');
  return users.map(({ name, id, kind, type = 'E' }) => {
    if (typeof name !== 'string' || name === '' || name.length > 128)
      throw new Error(`DATABASE_USERS: ${JSON.stringify(name)} is not a name`);
    if (typeof id !== 'string' || !GUID.test(id))
      throw new Error(`DATABASE_USERS: ${name} has the id ${JSON.stringify(id)}, which is not a GUID`);
    if (!Object.hasOwn(grants, kind))
      throw new Error(
        `DATABASE_USERS: ${name} is of kind ${JSON.stringify(kind)}, not one of ${Object.keys(grants).join(', ')}`,
      );
    if (!TYPES.includes(type))
      throw new Error(`DATABASE_USERS: ${name} has the type ${JSON.stringify(type)}, not one of ${TYPES.join(', ')}`);
    return { name, id, kind, type };
  });
}

/** The id as SQL Server's security identifier: a GUID's bytes with the first three groups turned round. */
export function sidOf(id) {
  const [a, b, c, d, e] = id.toLowerCase().split('-');
  const turn = (hex) => hex.match(/../g).reverse().join('');
  return `0x${turn(a)}${turn(b)}${turn(c)}${d}${e}`;
}

const bracket = (name) => `[${name.replaceAll(']', ']]')}]`;
const quote = (text) => `N'${text.replaceAll("'", "''")}'`;

/**
 * T-SQL that makes one user and its rights, and takes away every other right it was given: a table that left
 * grants.json, or a user whose kind changed. The identifier is given, so the server needs no right to read the
 * directory. A user whose identity was deleted and made anew is replaced, as is one with this identity under another
 * name; owned schemas and role memberships are nobody's business here.
 */
export function userScript({ name, id, kind, type }, grants) {
  const user = bracket(name);
  const sid = sidOf(id);
  return [
    "DECLARE @text NVARCHAR(MAX) = N'';",
    `IF EXISTS (SELECT 1 FROM sys.database_principals WHERE name = ${quote(name)} AND sid <> ${sid}) ` +
      `DROP USER ${user};`,
    `SELECT @text += N'DROP USER ' + QUOTENAME(name) + N';' FROM sys.database_principals WHERE sid = ${sid} ` +
      `AND name <> ${quote(name)};`,
    'EXEC sys.sp_executesql @text;',
    `IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = ${quote(name)}) CREATE USER ${user} ` +
      `WITH SID = ${sid}, TYPE = ${type};`,
    // All rights on tables, procedures and schemas that were given by name; CONNECT is of class 0 and stays.
    "SET @text = N'';",
    "SELECT @text += N'REVOKE ' + p.permission_name + N' ON ' + CASE p.class WHEN 3 THEN N'SCHEMA::' + " +
      'QUOTENAME(SCHEMA_NAME(p.major_id))',
    "  ELSE QUOTENAME(OBJECT_SCHEMA_NAME(p.major_id)) + N'.' + QUOTENAME(OBJECT_NAME(p.major_id)) END + N' " +
      "FROM ' + QUOTENAME(u.name) + N';'",
    'FROM sys.database_permissions p INNER JOIN sys.database_principals u ON u.principal_id = p.grantee_principal_id',
    `WHERE u.name = ${quote(name)} AND p.class IN (1, 3) AND p.major_id > 0;`,
    'EXEC sys.sp_executesql @text;',
    ...rightsOf(kind, grants).map((right) => `GRANT ${right} TO ${user};`),
  ].join('\n');
}

function rightsOf(kind, grants) {
  if (kind === 'stream') return ['SELECT, INSERT ON dbo.stream_windows'];
  // The second shows a worker whether the server still works on a statement of its own (docs/outages.md).
  return [
    'SELECT ON SCHEMA::dbo',
    'VIEW DATABASE STATE',
    ...grants[kind].map((table) => `INSERT, UPDATE, DELETE ON dbo.${bracket(table)}`),
  ];
}

async function main() {
  const { DATABASE_USERS = '', FLEETSCORE_SQL_URL = '' } = process.env;
  const grants = JSON.parse(readFileSync(new URL('../sql/grants.json', import.meta.url), 'utf8'));
  const users = readUsers(DATABASE_USERS, grants);
  const { openStore } = await import('../../dist/storage/open-store.js');
  const store = await openStore(FLEETSCORE_SQL_URL, { onWait: (text) => process.stderr.write(`database: ${text}\n`) });
  await store.migrate();
  await store.close();
  const { connect } = await import('../../dist/storage/mssql/connection.js');
  const database = await connect(FLEETSCORE_SQL_URL);
  try {
    const streams = users.some(({ kind }) => kind === 'stream');
    if (streams) {
      // The procedure must be alone in its batch.
      const text = readFileSync(new URL('../stream-analytics/setup.sql', import.meta.url), 'utf8');
      for (const batch of text.split(/^GO\s*$/m))
        if (batch.trim() !== '') await database.write((transaction) => transaction.script(batch));
    }
    for (const user of users) await database.write((transaction) => transaction.script(userScript(user, grants)));
    if (streams)
      for (const { name } of users.filter(({ kind }) => kind === 'ingest'))
        await database.write((transaction) =>
          transaction.script(`GRANT EXECUTE ON dbo.apply_stream_windows TO ${bracket(name)};`),
        );
  } finally {
    await database.close();
  }
  process.stdout.write(`database: schema is current, ${users.length} users have their rights\n`);
}

// Imported by start.js as a program, by tests for its functions.
if (import.meta.main || process.argv[1]?.endsWith('start.js'))
  await main().catch((error) => {
    process.stderr.write(`database: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
