/**
 * SQL Server's place for tests without one: runs the statements of the mssql store on SQLite, translated one
 * construct at a time. It shows that the store's logic and joins are right; locks, plans, the driver and the
 * server's own view of the text it cannot show. A construct it does not know fails in SQLite's parser.
 */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { Database, Session, Transaction } from '../../storage/mssql/connection.ts';
import { patiently, stageRows } from '../../storage/mssql/connection.ts';
import {
  createStage,
  dropStage,
  type SqlType,
  type SqlValue,
  type StageTable,
  type Statement,
} from '../../storage/mssql/statement.ts';

const HINTS = /\s+WITH \((?:UPDLOCK|ROWLOCK|HOLDLOCK|XLOCK|FORCESEEK(?: \(\w+ \([^)]*\)\))?|, )+\)/g;

/** A database of SQLite has a maximum size, too. */
const SIZES =
  'SELECT max_page_count * page_size AS maxBytes, page_count * page_size AS usedBytes ' +
  'FROM pragma_max_page_count, pragma_page_count, pragma_page_size';

/** One T-SQL statement as SQLite takes it. */
export function translate(tsql: string): string {
  let text = tsql
    .trim()
    .replace(HINTS, '')
    .replace(/(?<![\w"])#(\w+)/g, '"#$1"')
    .replace(/\bN'/g, `'`)
    .replace(/\bISNULL\(/g, 'IFNULL(')
    .replace(/\bDATALENGTH\(/g, 'octet_length(');
  text = text.replace('CAST(MIN_ACTIVE_ROWVERSION() AS BIGINT)', '(SELECT value + 1 FROM rowversion)');
  // Databases of Azure SQL have it on.
  text = text.replace(/FROM sys\.databases WHERE .*/, 'FROM sqlite_schema WHERE 1 = 0');
  text = text.replace(/^SELECT CAST\(DATABASEPROPERTYEX[^]*/, SIZES);
  text = text.replace('sys.tables', 'sqlite_schema').replace(' AND schema_id = SCHEMA_ID()', '');

  const top = /^SELECT TOP \((@?\w+)\) /.exec(text);
  if (top) text = `SELECT ${text.slice(top[0].length)} LIMIT ${top[1]}`;

  const deleteTop = /^DELETE TOP \((@\w+)\) FROM (\w+) (WHERE [\s\S]*)$/.exec(text);
  if (deleteTop)
    text = `DELETE FROM ${deleteTop[2]} WHERE rowid IN (SELECT rowid FROM ${deleteTop[2]} ${deleteTop[3]} LIMIT ${deleteTop[1]})`;

  const deleteJoin = /^DELETE TOP \((@\w+)\) (\w)\s+(FROM [\s\S]*)$/.exec(text);
  if (deleteJoin) {
    const [, limit, alias, from] = deleteJoin;
    text = `DELETE FROM ${tableOf(alias!, from!)} WHERE rowid IN (SELECT ${alias}.rowid ${from} LIMIT ${limit})`;
  }

  const updateJoin = /^UPDATE (\w) SET ([\s\S]*?)\s(FROM [\s\S]*?)(?:\sWHERE ([\s\S]*))?$/.exec(text);
  if (updateJoin) {
    const [, alias, set, from, where] = updateJoin;
    const columns = set!.replaceAll(new RegExp(`(^|,\\s*)${alias}\\.(\\w+) =`, 'g'), '$1$2 =');
    text = `UPDATE ${tableOf(alias!, from!)} AS target SET ${columns} ${from} WHERE target.rowid = ${alias}.rowid${where ? ` AND ${where}` : ''}`;
  }
  return text;
}

function tableOf(alias: string, from: string): string {
  return new RegExp(`("?#?\\w+"?) ${alias}\\b`).exec(from)![1]!;
}

export function translateDdl(script: string): string {
  let text = script
    .replace(/--.*$/gm, '')
    .replace(/ALTER TABLE \w+ SET [^;]*;/g, '')
    .replace(/ALTER TABLE \w+ ALTER COLUMN [^;]*;/g, '')
    .replace(/DROP INDEX (\w+) ON \w+/g, 'DROP INDEX $1')
    .replace(/ COLLATE \w+/g, '')
    .replace(/ CLUSTERED/g, '')
    .replace(/INT IDENTITY\(1,1\) NOT NULL([^;]*?),\s*CONSTRAINT \w+ PRIMARY KEY \(\w+\)/g, 'INTEGER PRIMARY KEY$1')
    .replace(/ROWVERSION NOT NULL/g, 'INTEGER NOT NULL DEFAULT 0')
    .replace(/NVARCHAR\(MAX\)/g, 'TEXT')
    .replace(/VARBINARY\(\w+\)/g, 'BLOB')
    .replace(/\bBIT\b/g, 'INTEGER');
  if (script.includes('ROWVERSION'))
    text += `
      CREATE TABLE rowversion (value INTEGER NOT NULL);
      INSERT INTO rowversion VALUES (2000);
      CREATE TRIGGER inserted AFTER INSERT ON windows BEGIN
        UPDATE rowversion SET value = value + 1;
        UPDATE windows SET change_id = (SELECT value FROM rowversion) WHERE rowid = NEW.rowid;
      END;
      CREATE TRIGGER updated AFTER UPDATE OF count ON windows BEGIN
        UPDATE rowversion SET value = value + 1;
        UPDATE windows SET change_id = (SELECT value FROM rowversion) WHERE rowid = NEW.rowid;
      END;`;
  return text;
}

/** As the server and its driver would take the value; what they refuse is refused here. */
function toSqlite(value: SqlValue | undefined, type: SqlType, what: string): SQLInputValue {
  const wrong = (): never => {
    throw new TypeError(`${what}: ${String(value)} is no ${type}`);
  };
  if (value === undefined) return wrong();
  if (value === null) return null;
  switch (type) {
    case 'BIT':
      return typeof value === 'boolean' ? (value ? 1n : 0n) : wrong();
    case 'TINYINT':
    case 'INT':
    case 'BIGINT': {
      const limit = { TINYINT: 255, INT: 2 ** 31 - 1, BIGINT: Number.MAX_SAFE_INTEGER }[type];
      return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= limit ? BigInt(value) : wrong();
    }
    case 'FLOAT':
      return typeof value === 'number' && Number.isFinite(value) ? value : wrong();
    case 'VARBINARY(MAX)':
      return Buffer.isBuffer(value) ? value : wrong();
    default: {
      const length = Number(/\((\d+)\)/.exec(type)?.[1] ?? Number.POSITIVE_INFINITY);
      return typeof value === 'string' && value.length <= length ? value : wrong();
    }
  }
}

// The driver gives BIGINT as text and BIT as boolean; which columns are such follows from their names.
export const BIGINTS =
  /(?:Ms|_ms|[sS]eq|lastTs|changeId|bytes|rows|scored|skipped|failed|cancelled|anomalies|late|dead)$/;
export const BITS = /^(?:current|listed)$/;
function fromSqlite(value: unknown, column: string): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (typeof value !== 'number') return value;
  return BITS.test(column) ? value === 1 : BIGINTS.test(column) ? String(value) : value;
}

/** `losesAnswer` is asked after each commit: true lets the commit stand and breaks the connection before it is told. */
export function tsqlOnSqlite(path: string, losesAnswer: () => boolean = () => false): Database {
  const db = new DatabaseSync(path);
  const execute = (
    statement: Statement,
    values: Readonly<Record<string, SqlValue>>,
    kind: 'all' | 'arrays' | 'run',
  ): unknown => {
    const bound = Object.fromEntries(
      Object.entries(statement.params).map(([name, type]) => [`@${name}`, toSqlite(values[name], type, `@${name}`)]),
    );
    try {
      const prepared = db.prepare(translate(statement.text));
      prepared.setAllowUnknownNamedParameters(true);
      if (kind === 'run') return Number(prepared.run(bound).changes);
      const columns = prepared.columns().map(({ name }) => name);
      prepared.setReturnArrays(true);
      const rows = (prepared.all(bound) as unknown as unknown[][]).map((row) =>
        row.map((value, i) => fromSqlite(value, columns[i]!)),
      );
      return kind === 'arrays'
        ? rows
        : rows.map((row) => Object.fromEntries(row.map((value, i) => [columns[i]!, value])));
    } catch (error) {
      if (/UNIQUE constraint/.test(String(error))) throw Object.assign(new Error('duplicate key'), { number: 2627 });
      throw error;
    }
  };
  const session: Session = {
    query: async <Row>(statement: Statement, values: Readonly<Record<string, SqlValue>>) =>
      execute(statement, values, 'all') as Row[],
    run: async (statement, values) => execute(statement, values, 'run') as number,
  };
  const stage = async (table: StageTable, rows: readonly (readonly SqlValue[])[]): Promise<void> => {
    db.exec(translate(dropStage(table)));
    db.exec(translateDdl(translate(createStage(table))).replace('CREATE TABLE', 'CREATE TEMP TABLE'));
    const { columns } = table;
    const insert = db.prepare(`INSERT INTO "${table.name}" VALUES (${columns.map(() => '?').join(', ')})`);
    for (const row of stageRows(table, rows).rows) {
      if (row.length !== columns.length)
        throw new TypeError(`${table.name} has ${columns.length} columns, a row ${row.length}`);
      insert.run(...columns.map(({ name, type }, i) => toSqlite(row[i] as SqlValue, type, `${table.name}.${name}`)));
    }
  };

  // One transaction at a time, as the application locks and row locks would have it.
  let turn: Promise<unknown> = Promise.resolve();
  const write = async <T>(work: (transaction: Transaction) => Promise<T>): Promise<T> => {
    const mine = turn.then(() =>
      patiently('The test store', async (attempt) => {
        db.exec('BEGIN');
        let result: T;
        try {
          result = await work({
            ...session,
            attempt,
            stage,
            lock: async () => {},
            script: async (text) => db.exec(translateDdl(text)),
          });
          db.exec('COMMIT');
        } catch (error) {
          db.exec('ROLLBACK');
          throw error;
        }
        if (losesAnswer()) throw Object.assign(new Error('connection lost'), { code: 'ESOCKET' });
        return result;
      }),
    );
    turn = mine.catch(() => {});
    return mine;
  };
  return {
    where: 'The test store',
    read: (work) => patiently('The test store', () => work(session)),
    write,
    stream: async (statement, values, collect, before) => {
      const onRow = collect();
      if (before) for (const row of execute(before, values, 'arrays') as SqlValue[][]) onRow(row);
      for (const row of execute(statement, values, 'arrays') as SqlValue[][]) onRow(row);
    },
    close: async () => db.close(),
  };
}
