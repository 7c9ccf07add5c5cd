/** The Stream Analytics query and its SQL against the store's schema and the defaults of the ingest worker. */
import { createRequire } from 'node:module';
import { loadConfig } from '../../config.ts';
import { filesIn, matches, read } from './support.ts';

const QUERY = read('deploy/stream-analytics/readings.asaql').replaceAll(/--.*$/gm, '');
const SETUP = read('deploy/stream-analytics/setup.sql').replaceAll(/--.*$/gm, '');
const SCHEMA = filesIn('storage/migrations/mssql', '.sql').map(read).join('\n').replaceAll(/--.*$/gm, '');

/** Columns of a CREATE TABLE, with their types and whether a row must give them. */
function columnsOf(sql: string, table: string): Map<string, { type: string; needed: boolean }> {
  const body = new RegExp(`CREATE TABLE (?:dbo\\.)?${table} \\(\\n([\\s\\S]*?)\\n\\);`).exec(sql)?.[1];
  if (body === undefined) throw new Error(`no table ${table}`);
  const columns = new Map<string, { type: string; needed: boolean }>();
  for (const line of body.split('\n')) {
    const found = /^\s*\[?(\w+)\]? (\w+(?:\([^)]*\))?)(.*?),?\s*$/.exec(line);
    if (!found || found[1] === 'CONSTRAINT') continue;
    const [, name, type, rest] = found as unknown as [string, string, string, string];
    columns.set(name, {
      type,
      needed: /NOT NULL/.test(rest) && !/DEFAULT|IDENTITY/.test(rest) && type !== 'ROWVERSION',
    });
  }
  return columns;
}

const insertedInto = (table: string): string[] => {
  const lists = matches(SETUP, new RegExp(`INSERT INTO dbo\\.${table} \\(([^)]+)\\)`, 'g'));
  expect(lists.length).toBeGreaterThan(0);
  return lists[0]!.split(',').map((name) => name.trim().replaceAll(/[[\]]/g, ''));
};

test('windows are as long and as far apart as those of the ingest worker, and begin and end as they do', () => {
  const { windowMs, hopMs } = loadConfig({}).ingest;
  const [, size, hop, offset] =
    /HoppingWindow\(Duration\(second, (\d+)\), Hop\(second, (\d+)\), Offset\(millisecond, (-?\d+)\)\)/.exec(QUERY)!;
  expect([Number(size) * 1_000, Number(hop) * 1_000]).toEqual([windowMs, hopMs]);
  // A window of the job is (start, end]; shifted by one millisecond, its last instant is end - 1.
  expect(offset).toBe('-1');
  expect(QUERY).toContain(`closed_ms + 1 - ${windowMs} AS start_ms`);
});

test('the query writes the columns of its table, no more and no fewer', () => {
  const select = /\nSELECT\n([\s\S]+?)\nINTO (\w+)\s+FROM closed/.exec(QUERY)!;
  const written = select[1]!.split(',\n').map((line) => line.trim().split(' AS ').at(-1)!.replaceAll(/[[\]]/g, ''));
  expect(written).toEqual([...columnsOf(SETUP, 'stream_windows').keys()]);
  const bicep = read('deploy/bicep/stream-analytics.bicep');
  expect(select[2]).toBe('stream_windows');
  expect(bicep).toContain("table: 'stream_windows'");
  expect(matches(bicep, /^\s+name: '(\w+)'\n\s+properties: \{\n\s+(?:type|datasource)/gm)).toEqual([
    'readings',
    'stream_windows',
  ]);
  expect(QUERY).toMatch(/FROM readings TIMESTAMP BY/);
});

test('names of sensors have the types and collation of the store', () => {
  for (const name of ['device', 'sensor']) {
    const line = new RegExp(`${name} (NVARCHAR\\(\\d+\\) COLLATE \\w+) NOT NULL`);
    expect(line.exec(SETUP)![1]).toBe(line.exec(SCHEMA.split('CREATE TABLE sensors')[1]!)![1]);
  }
  const limit = Number(/NVARCHAR\((\d+)\)/.exec(columnsOf(SCHEMA, 'sensors').get('device')!.type)![1]);
  expect(matches(QUERY, /BETWEEN 1 AND (\d+)/g)).toEqual([String(limit), String(limit)]);
});

test.each(['sensors', 'windows', 'partition_progress'])('what goes into %s fits the table of the store', (table) => {
  const columns = columnsOf(SCHEMA, table);
  const given = insertedInto(table);
  for (const name of given) expect([...columns.keys()]).toContain(name);
  for (const [name, { needed }] of columns) if (needed) expect(given).toContain(name);
});

test('an aggregate has the same type on its way', () => {
  const store = columnsOf(SCHEMA, 'windows');
  const staged = columnsOf(SETUP, 'stream_windows');
  for (const [name, { type }] of staged) {
    if (name === 'device' || name === 'sensor') continue;
    // COUNT(*) is a bigint in the job and an int in the store.
    expect([name, type]).toEqual([name, name === 'count' ? 'BIGINT' : store.get(name)!.type]);
  }
});

test('new sensors get their ids under the lock that the store takes', () => {
  const [lock] = matches(SETUP, /@Resource = N'([^']+)'/g);
  const code = filesIn('storage/mssql', '.ts').map(read).join('\n');
  const locks = [...matches(code, /\.lock\('([^']+)'\)/g), ...matches(code, /_LOCK = '([^']+)'/g)];
  expect(locks).toContain(lock);
});

test('readings may come as late as the ingest worker lets them', () => {
  const main = read('deploy/bicep/main.bicep');
  expect(Number(/param outOfOrderSeconds int = (\d+)/.exec(main)![1]) * 1_000).toBe(loadConfig({}).ingest.outOfOrderMs);
  expect(main).toContain('lateSeconds: outOfOrderSeconds');
});

test('the statements of the procedure are T-SQL that parses', () => {
  const { Parser } = createRequire(import.meta.url)('node-sql-parser') as {
    Parser: new () => { astify(sql: string, options: { database: string }): { type: string } | { type: string }[] };
  };
  const parser = new Parser();
  const statements = SETUP.split(/^GO\s*$/m)
    .at(-1)!
    .split(';')
    .map((text) => text.trim())
    // The parser does not know OUTPUT ... INTO.
    .filter((text) => /^(INSERT|UPDATE|DELETE|SELECT)\b/.test(text) && !/\bOUTPUT\b/.test(text));
  const kinds = statements.flatMap((text) =>
    [parser.astify(text, { database: 'transactsql' })].flat().map(({ type }) => type),
  );
  expect(kinds).toEqual(['insert', 'insert', 'update', 'insert', 'select', 'select']);
});

test('a row is taken only with a sensor that has its id, so that none is lost between the two looks', () => {
  const registered = SETUP.indexOf('INSERT INTO dbo.sensors');
  const taken = SETUP.indexOf('DELETE t');
  expect(registered).toBeGreaterThan(0);
  expect(taken).toBeGreaterThan(registered);
  expect(SETUP.slice(taken, SETUP.indexOf(';', taken))).toMatch(
    /WHERE EXISTS \(SELECT 1 FROM dbo\.sensors s WHERE s\.device = t\.device AND s\.sensor = t\.sensor\)/,
  );
  expect(SETUP).toMatch(/CREATE CLUSTERED INDEX \w+ ON dbo\.stream_windows \(start_ms, device, sensor\)/);
});

test('names with spaces at their ends are left out, as SQL Server takes them for the names without', () => {
  for (const name of ['device', 'sensor'])
    expect(QUERY).toContain(`LEN(TRIM(CAST(${name} AS nvarchar(max)))) = LEN(CAST(${name} AS nvarchar(max)))`);
});
