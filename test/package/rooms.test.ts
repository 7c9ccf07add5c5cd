/**
 * What each room may import. The table is the house: a new edge is a decision, made here and in ARCHITECTURE.md. It has
 * no circle, and neither have the files, types included.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** From below to above: a room may import what stands in its row, and its own files. */
const ALLOWED: Readonly<Record<string, string>> = {
  domain: '',
  'paths.ts': '',
  'version.ts': 'paths.ts',
  alarms: 'domain',
  payloads: 'domain paths.ts',
  config: 'domain payloads',
  'config.ts': 'config domain',
  storage: 'alarms domain',
  pool: 'config.ts domain storage',
  workflows: 'domain pool',
  ingest: 'domain storage',
  scoring: 'domain storage',
  logging: 'config.ts domain storage',
  batches: 'alarms domain scoring storage workflows',
  verify: 'alarms batches domain ingest scoring storage workflows',
  activities: 'batches domain ingest pool scoring storage workflows',
  telemetry: 'config.ts domain logging storage version.ts workflows',
  connect: 'config.ts domain ingest logging payloads storage workflows',
  notify: 'alarms batches config.ts connect domain ingest',
  report: 'domain pool storage verify',
  samples: 'domain scoring storage',
  workers:
    'activities batches config.ts connect domain ingest logging notify paths.ts pool report ' +
    'scoring storage telemetry version.ts workflows',
  ui: 'batches config.ts connect domain ingest paths.ts report scoring storage verify version.ts workflows',
  local: 'config.ts connect domain logging paths.ts pool storage workers',
  cli:
    'alarms batches config config.ts connect domain ingest local logging notify paths.ts payloads ' +
    'pool report samples scoring storage ui verify version.ts workers workflows',
};

const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(ALLOWED).map(([room, others]) => [room, others.split(' ').filter(Boolean)]),
);

/** Not rooms of the product: they may import everything. */
const OUTSIDE = new Set(['bench', 'test', 'docs', 'deploy', 'dist', 'node_modules', 'findings', 'bin']);

const files = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => !OUTSIDE.has(entry.name) && !entry.name.startsWith('.'))
  .flatMap((entry) =>
    entry.isDirectory()
      ? readdirSync(join(ROOT, entry.name), { recursive: true, encoding: 'utf8' }).map((name) => join(entry.name, name))
      : [entry.name],
  )
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'));

const IMPORT = /(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+\.ts)'/g;
const importsOf = (file: string): string[] =>
  [...readFileSync(join(ROOT, file), 'utf8').matchAll(IMPORT)].map((match) =>
    normalize(join(dirname(file), match[1]!)),
  );
const roomOf = (file: string): string => file.split('/')[0]!;

const graph = new Map(files.map((file) => [file, importsOf(file)]));

test('every room is in the table, and the table names only rooms that exist', () => {
  expect([...new Set(files.map(roomOf))].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
});

test('no room imports one that its row does not name', () => {
  const wrong = files.flatMap((file) =>
    graph
      .get(file)!
      .filter((to) => roomOf(to) !== roomOf(file) && !MAY_IMPORT[roomOf(file)]!.includes(roomOf(to)))
      .map((to) => `${file} imports ${to}`),
  );
  expect(wrong).toEqual([]);
});

test('no room is allowed what no file uses', () => {
  const used = new Set(files.flatMap((file) => graph.get(file)!.map((to) => `${roomOf(file)} -> ${roomOf(to)}`)));
  const unused = Object.entries(MAY_IMPORT).flatMap(([room, others]) =>
    others.map((other) => `${room} -> ${other}`).filter((edge) => !used.has(edge)),
  );
  expect(unused).toEqual([]);
});

test('what runs imports only packages that package.json names: others may be missing where it is installed', () => {
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
    string,
    object
  >;
  const named = new Set(Object.keys({ ...dependencies, ...optionalDependencies }));
  const code =
    /^(?:import|export) (?!type )[^;]*? from '([^.'][^']*)'|\bimport\('([^.'][^']*)'\)|^import '([^.'][^']*)'/gm;
  const wanted = files.flatMap((file) =>
    [...readFileSync(join(ROOT, file), 'utf8').matchAll(code)]
      .map(([, from, dynamic, bare]) => (from ?? dynamic ?? bare)!)
      .filter((specifier) => !specifier.startsWith('node:'))
      .map((specifier) => [specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'), file] as const),
  );
  expect(wanted.length).toBeGreaterThan(100);
  expect(wanted.filter(([name]) => !named.has(name))).toEqual([]);
});

test('rooms and files have no circle', () => {
  expect(circleIn(new Map(Object.entries(MAY_IMPORT)))).toBeUndefined();
  expect(circleIn(graph)).toBeUndefined();
  expect(circleIn(new Map([...graph, ['domain/errors.ts', ['scoring/engine.ts']]]))).toBeDefined();
});

/** The first circle found, as a path; undefined when there is none. */
function circleIn(edges: ReadonlyMap<string, readonly string[]>): string | undefined {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): string | undefined => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node].join(' -> ');
    if (done.has(node)) return undefined;
    for (const next of edges.get(node) ?? []) {
      const found = visit(next, [...path, node]);
      if (found !== undefined) return found;
    }
    done.add(node);
    return undefined;
  };
  for (const node of edges.keys()) {
    const found = visit(node, []);
    if (found !== undefined) return found;
  }
  return undefined;
}

test('the list of slow test files names files that are there', () => {
  const listed = Object.keys(JSON.parse(readFileSync(join(ROOT, 'test/support/slow-files.json'), 'utf8')) as object);
  expect(listed.length).toBeGreaterThan(20);
  expect(listed.filter((name) => !existsSync(join(ROOT, name)))).toEqual([]);
});
