/** What Bicep and grants.json give each identity is what the table of deploy/README.md and the threat model say. */
import { matches, read, readJson } from './support.ts';

const README = read('deploy/README.md');
const VAULT = read('deploy/bicep/key-vault.bicep');
const STORAGE = read('deploy/bicep/storage.bicep');
const WORKERS = read('deploy/bicep/workers.bicep');

/** Cells of the row of an identity. */
const row = (identity: string): readonly string[] =>
  new RegExp(`^\\| ${identity}[^|]* \\|(.*)\\|$`, 'm')
    .exec(README)![1]!
    .split('|')
    .map((cell) => cell.trim());
const quoted = (text: string): string[] => matches(text, /`([^`]+)`/g);

test.each(['control', 'ingest', 'scoring'])('Blob: the containers that %s reads and writes', (kind) => {
  const given = [...STORAGE.matchAll(/\{ kind: '(\w+)', container: '(\w+)', role: 'Storage Blob Data (\w+)' \}/g)]
    .filter((match) => match[1] === kind)
    .map((match) => ({ container: match[2]!, role: match[3]! }));
  const [blob = ''] = row(kind);
  const reads = quoted(/reads ([^,]*)/.exec(blob)?.[1] ?? '');
  const writes = quoted(/writes (.*)/.exec(blob)?.[1] ?? '');
  expect(given.filter(({ role }) => role === 'Reader').map(({ container }) => container)).toEqual(reads);
  expect(given.filter(({ role }) => role === 'Contributor').map(({ container }) => container)).toEqual(writes);
});

/** Words of the table for tables of the database. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  batches: [
    'batches',
    'batch_sensors',
    'batch_left_out',
    'batch_pools',
    'batch_challengers',
    'challenged',
    'failed_by',
  ],
  chunks: ['chunks'],
  alarms: ['alarms', 'alarm_events', 'alarm_clock'],
  'signals of alarms': ['alarm_signals'],
  'work of alarms': ['alarm_batches', 'alarm_links', 'alarm_live'],
  'notices of alarms': ['alarm_notices'],
  'rules and shelves of alarms': ['alarm_rules', 'alarm_shelves'],
  'log of actions': ['audit'],
  outcomes: ['outcomes', 'failed_by', 'challenged'],
  artifacts: ['artifacts'],
  sensors: ['sensors'],
  'sensors out of service': ['retired_sensors'],
  windows: ['windows', 'late_minutes'],
  'old windows': ['windows', 'late_minutes'],
  progress: ['partition_progress'],
  'files of the drop': ['dropped_files'],
  settings: ['settings'],
  models: ['models', 'artifacts', 'challenger'],
  releases: ['releases', 'release_models', 'release_pools', 'promotions', 'settings'],
};

test.each(['control', 'ingest', 'scoring', 'operator'])('SQL: the tables that %s writes', (kind) => {
  const given = readJson<Record<string, readonly string[]>>('deploy/sql/grants.json')[kind]!;
  const sql = row(kind)[2]!;
  const words = [...sql.matchAll(/(?:writes|deletes) ([^;]+)/g)].flatMap((match) => match[1]!.split(', '));
  expect(words.length).toBeGreaterThan(2);
  const said = new Set(words.flatMap((word) => TABLES[word.trim()] ?? [`unknown word ${word}`]));
  expect([...given].toSorted().filter((table) => !said.has(table))).toEqual([]);
  expect([...said].filter((table) => !given.includes(table))).toEqual([]);
});

test('secrets: a role a secret, never on the vault, and each node asks for what its identity may read', () => {
  const roles = VAULT.split(/^resource /m).filter((text) => text.includes('roleAssignments@'));
  expect(roles).toHaveLength(2);
  for (const role of roles) expect(role).not.toMatch(/scope: vault\b/);
  const given = [...VAULT.matchAll(/\{ kind: '(\w+)', secret: '([\w-]+)' \}/g)].map((match) => [match[1], match[2]]);
  const of = (kind: string): string[] => given.filter((pair) => pair[0] === kind).map((pair) => pair[1]!);
  for (const kind of ['control', 'scoring']) {
    const said = quoted(/reads the secrets ([^;]+)/.exec(row(kind)[3]!)![1]!).flatMap((name) =>
      name.endsWith('*') ? ['certificate', 'key'].map((part) => name.replace('*', part)) : [name],
    );
    expect(of(kind)).toEqual(said);
  }
  // Each has its own secrets and none of the other's, so that what one has can be taken from it alone.
  expect(of('scoring').filter((name) => of('control').includes(name))).toEqual([]);
  expect(of('scoring').every((name) => name.startsWith('scoring-'))).toBe(true);
  const asked = new Set(matches(WORKERS, /\$\{vaultUri\}secrets\/([\w-]+)/g).filter((name) => !name.includes('$')));
  expect([...asked].toSorted()).toEqual(of('scoring').toSorted());
  const made = matches(VAULT, /^ {2}name: '([\w-]+)'/gm);
  for (const name of [...of('control'), ...of('scoring')]) expect(made).toContain(name);
});

test('Kubernetes: control and scoring workers have a secret each', () => {
  const secretOf = (kind: string): string[] =>
    matches(read(`deploy/kubernetes/${kind}.yaml`), /secretRef:\n\s+name: ([\w-]+)/g);
  expect(secretOf('control')).toEqual(['temporal']);
  expect(secretOf('scoring')).toEqual(['temporal-scoring']);
  expect(secretOf('ingest')).toEqual([]);
});

test('an image that is not ours gets no secret, no variable and no replica', () => {
  expect(WORKERS).toMatch(/secrets: \[for name in deployed \? /);
  expect(matches(WORKERS, /image: deployed \? \w+ : placeholder\n\s+env: deployed \?/g)).toHaveLength(2);
  expect(matches(WORKERS, /minReplicas: deployed \? \w+ : 0/g)).toHaveLength(2);
  // The job of the database stands there with it, too: started by nobody but the hook, which gives it our image first.
  expect(matches(WORKERS, /image: (.*) placeholder/g)).toHaveLength(3);
  expect(WORKERS).toMatch(/^resource databaseJob [^]*?triggerType: 'Manual'/m);
  expect(/^resource databaseJob [^]*?\n\}\n/m.exec(WORKERS)![0]).not.toContain('secretRef');
  expect(WORKERS).toContain('image: empty(publishedImage) ? placeholder : publishedImage');
  const hook = read('deploy/azd/steps.js').split('export async function postpublish')[1]!;
  expect(hook.indexOf("'job', 'update'")).toBeLessThan(hook.indexOf('setUpDatabase'));
});
