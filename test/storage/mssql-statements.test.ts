/**
 * The T-SQL that cannot be run without a server is held to what can be checked without one: every statement
 * parses as T-SQL, declares its parameters, and names columns that the schema has, with the schema's types.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { loadMigrations } from '../../storage/migrations.ts';
import { stageRows } from '../../storage/mssql/connection.ts';
import { STAGE_TABLES, STATEMENTS } from '../../storage/mssql/statements.ts';
import { createStage, dropStage, SQL_TYPES, type SqlType } from '../../storage/mssql/statement.ts';

interface SqlParser {
  astify(
    text: string,
    options: { readonly database: string },
  ): { readonly type?: string } | readonly { readonly type?: string }[];
}

/** The parser, where node-sql-parser is installed. */
function loadParser(): SqlParser | undefined {
  try {
    const { Parser } = createRequire(import.meta.url)('node-sql-parser') as { Parser: new () => SqlParser };
    return new Parser();
  } catch {
    return undefined;
  }
}

const parser = loadParser();
/** The kinds of the statements in a text. What the parser cannot make sense of, it may take for an assignment. */
const kindsOf = (text: string): unknown[] =>
  [parser!.astify(text, { database: 'transactsql' })].flat().map(({ type }) => type);
const firstWord = (text: string): string => /\w+/.exec(text)![0].toLowerCase();
const ALL = Object.entries(STATEMENTS).flatMap(([room, list]) =>
  Object.entries(list).map(([name, statement]) => ({ name: `${room}.${name}`, ...statement })),
);

/** Statements of the migrations, without comments. */
const DDL = loadMigrations('mssql').flatMap(({ sql }) =>
  sql
    .replace(/--.*$/gm, '')
    .split(';')
    .map((s) => s.trim())
    .filter(Boolean),
);

/** `table.column` to the type the schema gives it. */
const SCHEMA = new Map<string, { readonly type: string; readonly nullable: boolean }>(
  DDL.flatMap((statement) => {
    const added = /^ALTER TABLE (\w+) (?:ADD|ALTER COLUMN) (\w+) ([A-Z]+(?:\((?:\d+|MAX)\))?)/.exec(statement);
    if (added)
      return [[`${added[1]}.${added[2]}`, { type: added[3]!, nullable: !statement.includes('NOT NULL') }] as const];
    const table = /^CREATE TABLE (\w+)/.exec(statement)?.[1];
    if (!table) return [];
    return [...statement.matchAll(/^ {2}\[?(\w+)\]? ([A-Z]+(?:\((?:\d+|MAX)\))?)(?! KEY)[^\n]*/gm)]
      .filter(([, name]) => name !== 'CONSTRAINT')
      .map(
        ([line, name, type]) => [`${table}.${name}`, { type: type!, nullable: !line.includes('NOT NULL') }] as const,
      );
  }),
);

(parser ? describe : describe.skip)(
  `T-SQL parser${parser ? '' : ' (not run: node-sql-parser is not installed)'}`,
  () => {
    test.each(ALL)('$name parses', ({ text }) => {
      expect(kindsOf(text)).toEqual([firstWord(text)]);
    });

    test.each(STAGE_TABLES)('$name parses', (table) => {
      expect(kindsOf(createStage(table))).toEqual(['create']);
      expect(kindsOf(dropStage(table))).toEqual(['drop']);
    });

    test('the schema parses', () => {
      // Two things the parser does not know: the type's newer name, and the option that keeps locks on rows.
      const known = DDL.filter((s) => s !== 'ALTER TABLE windows SET (LOCK_ESCALATION = DISABLE)');
      expect(known).toHaveLength(DDL.length - 1);
      for (const statement of known)
        expect(kindsOf(statement.replace('ROWVERSION', 'TIMESTAMP'))).toEqual([firstWord(statement)]);
    });

    test.each([
      'SELECT id FROM sensors LIMIT FROM',
      'INSERT INTO t (a SELECT 1',
      'UPDATE t SET a = = 1',
      'DELETE FROM t WHERE AND',
    ])('%s does not', (text) => {
      expect(() => kindsOf(text)).toThrow(/Expected/);
    });
  },
);

test.each(ALL)('$name declares exactly the parameters it uses', ({ text, params }) => {
  const used = new Set([...text.matchAll(/@(\w+)/g)].map(([, name]) => name!));
  expect([...used].sort()).toEqual(Object.keys(params).sort());
});

test('no statement merges, and all are held as data', () => {
  for (const { text } of ALL) expect(text).not.toMatch(/\bMERGE\b/i);
  const folder = new URL('../../storage/mssql/', import.meta.url);
  const declared = readdirSync(folder).reduce(
    (n, file) => n + [...readFileSync(new URL(file, folder), 'utf8').matchAll(/\btsql\(/g)].length,
    0,
  );
  expect(ALL).toHaveLength(declared - 1); // minus the function itself
});

test('columns of statements exist in the schema', () => {
  const columns = new Set([...SCHEMA.keys()].map((key) => key.split('.')[1]!));
  for (const { text, name } of ALL) {
    const inserted = [...text.matchAll(/INSERT INTO (\w+) \(([^)]*)\)/g)];
    for (const [, table, list] of inserted.filter(([, t]) => t !== 'schema_migrations'))
      for (const column of list!.split(','))
        expect([name, column, SCHEMA.has(`${table}.${column.trim().replace(/[[\]]/g, '')}`)]).toEqual([
          name,
          column,
          true,
        ]);
    const set = /^\s*UPDATE (\w+)\s+SET ([\s\S]*?)\s(?:FROM|WHERE)\s/.exec(text);
    for (const [, column] of set?.[2]?.matchAll(/(?:^|,)\s*(?:\w\.)?(\w+) =/g) ?? [])
      expect([name, column, columns.has(column!) || column === 'known']).toEqual([name, column, true]);
  }
});

describe('staging tables', () => {
  const columns = STAGE_TABLES.flatMap((table) => table.columns.map((column) => ({ table: table.name, ...column })));

  test.each(columns.filter((c) => c.of))('$table $name has the type of $of', ({ of, type, nullable }) => {
    expect(SCHEMA.get(of!)?.type).toBe(type);
    if (nullable && !/^(artifacts|failed_by)\./.test(of!)) expect(SCHEMA.get(of!)!.nullable).toBe(true);
  });

  test('only bookkeeping columns have no column of the schema', () => {
    expect(columns.filter((c) => !c.of).map((c) => `${c.table}.${c.name}`)).toEqual([
      '#arrived.known',
      '#names.position',
    ]);
  });

  test.each(STAGE_TABLES)('bulk copy of $name sends the columns that are created', (table) => {
    const bulk = stageRows(table, [table.columns.map(() => null)]);
    expect(bulk.columns.map((c) => c.name)).toEqual(table.columns.map((c) => c.name));
    expect(bulk.columns.map((c) => c.nullable)).toEqual(table.columns.map((c) => c.nullable ?? false));
    // The driver's own words for the types are those of CREATE TABLE.
    const declared = [
      ...(bulk as unknown as { declare(): string }).declare().matchAll(/\[(\w+)\] (\w+ ?(?:\([^)]*\))?)/g),
    ].slice(0, table.columns.length);
    expect(declared.map(([, , type]) => type!.replace(/\s/g, '').toUpperCase())).toEqual(
      table.columns.map((c) => c.type),
    );
  });
});

test('the types of parameters fit the columns they go into', () => {
  let checked = 0;
  for (const { text, params, name } of ALL) {
    const insert = /INSERT INTO (\w+) \(([^)]*)\)\s+VALUES \(([^)]*)\)/.exec(text);
    if (!insert || insert[1] === 'schema_migrations') continue;
    const values = insert[3]!.split(',').map((v) => v.trim());
    for (const [i, column] of insert[2]!
      .split(',')
      .map((c) => c.trim())
      .entries()) {
      const parameter = values[i]!;
      if (!parameter.startsWith('@')) continue;
      expect([name, parameter, params[parameter.slice(1)]]).toEqual([
        name,
        parameter,
        SCHEMA.get(`${insert[1]}.${column}`)?.type,
      ]);
      checked += 1;
    }
  }
  expect(checked).toBeGreaterThan(25);
});

test('the schema uses types the store can send, and one it never writes', () => {
  const types = new Set([...SCHEMA.values()].map((column) => column.type));
  expect([...types].filter((type) => !Object.keys(SQL_TYPES).includes(type as SqlType))).toEqual(['ROWVERSION']);
});
