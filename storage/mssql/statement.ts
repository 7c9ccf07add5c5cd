/**
 * T-SQL as data: the text with the type of every parameter, and staging tables with the type of every
 * column. Types are written as in the schema and never guessed from a value: a number that happens to be
 * small would become INT, and the next one would not fit. Tests parse every statement held this way.
 */
import sql from 'mssql';
import { FleetscoreError } from '../../domain/errors.ts';
import { settled } from '../../domain/number.ts';

/** A column type as the schema writes it, with the type the driver sends. */
export const SQL_TYPES = {
  BIT: () => sql.Bit(),
  TINYINT: () => sql.TinyInt(),
  INT: () => sql.Int(),
  BIGINT: () => sql.BigInt(),
  FLOAT: () => sql.Float(),
  'NVARCHAR(32)': () => sql.NVarChar(32),
  'NVARCHAR(128)': () => sql.NVarChar(128),
  'NVARCHAR(400)': () => sql.NVarChar(400),
  'NVARCHAR(800)': () => sql.NVarChar(800),
  'NVARCHAR(1000)': () => sql.NVarChar(1000),
  'NVARCHAR(MAX)': () => sql.NVarChar(sql.MAX),
  'VARBINARY(MAX)': () => sql.VarBinary(sql.MAX),
} as const;

export type SqlType = keyof typeof SQL_TYPES;
export type SqlValue = string | number | boolean | Buffer | null;

type Params = Readonly<Record<string, SqlType>>;

export interface Statement {
  readonly text: string;
  readonly params: Params;
}

export function tsql(params: Params, text: string): Statement {
  return { text, params };
}

/** Between two statements of one request. */
export const NEXT = ';\n';

/** Both in one request: a server runs them in their order, and answers with the rows of both. */
export const after = (first: Statement, second: Statement): Statement => ({
  text: first.text + NEXT + second.text,
  params: { ...first.params, ...second.params },
});

export interface StageColumn {
  readonly name: string;
  readonly type: SqlType;
  readonly nullable?: boolean;
  /** `table.column` whose values it holds: a test checks that the types are the same. */
  readonly of?: string;
}

/** A temporary table that is filled by bulk copy. */
export interface StageTable {
  readonly name: `#${string}`;
  readonly columns: readonly StageColumn[];
  readonly key: readonly string[];
}

/** Drops what an earlier transaction on this connection left. */
export function dropStage(table: StageTable): string {
  return `DROP TABLE IF EXISTS ${table.name}`;
}

/** Text columns name their collation: the default of tempdb is the server's, and joins would be refused. */
export function createStage(table: StageTable): string {
  const columns = table.columns.map(({ name, type, nullable }) => {
    const collation = type.startsWith('NVARCHAR') ? ' COLLATE Latin1_General_100_BIN2' : '';
    return `[${name}] ${type}${collation} ${nullable ? 'NULL' : 'NOT NULL'}`;
  });
  return (
    `CREATE TABLE ${table.name} (${columns.join(', ')}, PRIMARY KEY ` +
    `(${table.key.map((k) => `[${k}]`).join(', ')}))`
  );
}

const LENGTH = /^NVARCHAR\((\d+)\)$/;

/**
 * Makes a value fit its type, where that asks for something: numbers are settled, and a text that is too long is
 * refused before the server refuses the whole transaction. @throws FleetscoreError `TEXT_TOO_LONG`
 */
export function fit(name: string, type: SqlType): ((value: SqlValue) => SqlValue) | undefined {
  if (type === 'FLOAT') return (value) => (typeof value === 'number' ? settled(value) : value);
  const length = Number(LENGTH.exec(type)?.[1] ?? Infinity);
  if (length === Infinity) return undefined;
  return (value) => {
    if (typeof value !== 'string' || value.length <= length) return value;
    throw new FleetscoreError(
      'TEXT_TOO_LONG',
      `${name} takes at most ${length} characters, and ${JSON.stringify(value.slice(0, 60))}... ` +
        `has ${value.length}. Give a shorter one.`,
    );
  };
}
