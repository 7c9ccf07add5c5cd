/** The Bicep of deploy/ against itself, against the code, and against the parser. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadConfig } from '../../config.ts';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { oldVersions } from '../../deploy/check/api-versions.js';
import { SCORING_QUEUE } from '../../domain/queues.ts';
import { filesIn, matches, read, readJson, root, runTool, tools, toolTest } from './support.ts';

const FILES = filesIn('deploy/bicep', '.bicep');
const MAIN = read('deploy/bicep/main.bicep');
const STORAGE = read('deploy/bicep/storage.bicep');
const ALL = FILES.map(read).join('\n');

interface Parameter {
  readonly default: unknown;
}
interface Module {
  readonly detail: { readonly full: string };
  readonly config: { readonly config?: { readonly params?: object }; readonly params?: object };
}
interface Tree {
  readonly parameters?: Readonly<Record<string, Parameter>>;
  readonly modules?: Readonly<Record<string, Module>>;
  readonly resources?: Readonly<Record<string, { readonly type: string; readonly api_version: string }>>;
}

type Parsed = Record<string, { tree?: Tree; error?: string }>;
let once: Parsed | undefined;
const parsed = (): Parsed =>
  (once ??= JSON.parse(runTool([tools!.python, 'deploy/check/bicep_json.py', ...FILES]).stdout) as Parsed);

toolTest('every file is Bicep that parses', () => {
  const results = parsed();
  expect(Object.keys(results)).toEqual(FILES);
  for (const file of FILES) expect([file, results[file]?.error]).toEqual([file, undefined]);
});

toolTest('every module gets each parameter that it needs, and no other', () => {
  const results = parsed();
  const modules = Object.entries(results['deploy/bicep/main.bicep']!.tree!.modules!);
  expect(modules.length).toBeGreaterThan(10);
  for (const [name, { detail, config }] of modules) {
    const given = Object.keys((config.config?.params ?? config.params)!).sort();
    const parameters = Object.entries(results[`deploy/bicep/${detail.full}`]!.tree!.parameters!);
    const known = parameters.map(([parameter]) => parameter);
    expect([name, given.filter((parameter) => !known.includes(parameter))]).toEqual([name, []]);
    const needed = parameters
      .filter(([, parameter]) => parameter.default === null || parameter.default === undefined)
      .map(([parameter]) => parameter);
    expect([name, needed.filter((parameter) => !given.includes(parameter))]).toEqual([name, []]);
  }
});

test('files, modules and JSON that are referred to exist', () => {
  for (const file of FILES) {
    const folder = dirname(join(root, file));
    const paths = [
      ...matches(read(file), /^module \w+ '([^']+)'/gm),
      ...matches(read(file), /load(?:Json|Text)Content\('([^']+)'\)/g),
    ];
    for (const path of paths) expect([file, path, existsSync(join(folder, path))]).toEqual([file, path, true]);
  }
});

test('every parameter, and every output that a file reads of a module, is there', () => {
  for (const file of FILES) {
    const text = read(file);
    for (const parameter of matches(text, /^param (\w+) /gm)) {
      const uses = text.match(new RegExp(`\\b${parameter}\\b`, 'g'))!.length;
      expect([file, parameter, uses > 1]).toEqual([file, parameter, true]);
    }
  }
  for (const [, module, output] of MAIN.matchAll(/\b(\w+)\.\??outputs\.(\w+)/g)) {
    const path = new RegExp(`^module ${module} '([^']+)'`, 'm').exec(MAIN)?.[1];
    expect([module, output, matches(read(`deploy/bicep/${path}`), /^output (\w+) /gm).includes(output!)]).toEqual([
      module,
      output,
      true,
    ]);
  }
});

test('a resource type has one API version in all files', () => {
  const versions = new Map<string, Set<string>>();
  for (const [, type, version] of ALL.matchAll(/'(Microsoft\.[\w/.]+)@([\w-]+)'/g))
    versions.set(type!, (versions.get(type!) ?? new Set()).add(version!));
  expect(versions.size).toBeGreaterThan(25);
  for (const [type, found] of versions) expect([type, [...found].length]).toEqual([type, 1]);
});

test('API versions are of the last two years, or the newest that there are', () => {
  const known = readJson<{ lookedAt: string; newestThereIs: Record<string, string> }>('deploy/check/api-versions.json');
  expect(oldVersions(ALL, known, known.lookedAt)).toEqual([]);
  // What is said to be the newest is what is used.
  for (const [type, version] of Object.entries(known.newestThereIs)) expect(ALL).toContain(`'${type}@${version}'`);
  const old = "resource a 'Microsoft.Storage/storageAccounts@2023-01-01' = {";
  expect(oldVersions(old, known, known.lookedAt)).toEqual([
    expect.stringMatching(/^Microsoft.Storage\/storageAccounts@2023-01-01 is older than two years/),
  ]);
  expect(oldVersions(old.replace('2023', '2025'), known, known.lookedAt)).toEqual([]);
});

test('the containers are those of the code', () => {
  const names = matches(/var containerNames = \[([^\]]+)\]/.exec(STORAGE)![1]!, /'(\w+)'/g);
  expect(names.toSorted()).toEqual(Object.values(CONTAINERS).toSorted());
  const granted = matches(STORAGE, /container: '(\w+)'/g);
  expect(granted.length).toBeGreaterThan(8);
  for (const name of granted) expect(names).toContain(name);
  for (const prefix of matches(STORAGE, /^\s+'(\w+)\/'$/gm)) expect(names).toContain(prefix);
  // Capture writes where `ingest rebuild` reads.
  expect(/blobContainer: '(\w+)'/.exec(read('deploy/bicep/event-hubs.bicep'))![1]).toBe(CONTAINERS.raw);
});

test('roles are known by name, and every one of them is in use', () => {
  const roles = readJson<Record<string, string>>('deploy/bicep/roles.json');
  for (const id of Object.values(roles)) expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  const used = [
    ...matches(ALL, /roles\['([^']+)'\]/g),
    ...matches(ALL, /\broles\.([A-Z]\w+)/g),
    ...matches(ALL, /role: '([^']+)'/g),
  ];
  expect([...new Set(used)].toSorted()).toEqual(Object.keys(roles).toSorted());
});

test('each kind of worker has only the rights that its code needs', () => {
  const grants = [...STORAGE.matchAll(/\{ kind: '(\w+)', container: '(\w+)', role: 'Storage Blob Data (\w+)' \}/g)].map(
    ([, kind, container, role]) => `${kind} ${container} ${role}`,
  );
  expect(grants).toEqual([
    'control models Reader',
    'control predictions Contributor',
    'control logs Contributor',
    'control site Contributor',
    'ingest drop Reader',
    'ingest checkpoints Contributor',
    'ingest raw Contributor',
    'ingest deadletters Contributor',
    'ingest logs Contributor',
    'scoring models Reader',
    'scoring predictions Contributor',
    'scoring logs Contributor',
    'capture raw Contributor',
  ]);
  const principals = matches(/principals: \{([^}]+)\}/.exec(MAIN)![1]!, /(\w+): identities/g);
  expect(principals).toEqual(['control', 'ingest', 'scoring', 'capture']);
  const given = [
    ...MAIN.matchAll(
      /\b(control|ingest|scoring|capture|database|stream)(?:Principal|Client)?(?:Id)?: identities\.outputs\.(\w+)\./g,
    ),
  ];
  expect(given.length).toBeGreaterThan(10);
  for (const [, name, identity] of given) expect(identity).toBe(name);
  for (const [, name, id, kind] of MAIN.matchAll(
    /name: identities\.outputs\.(\w+)\.name, id: identities\.outputs\.(\w+)\.clientId, kind: '(\w+)'/g,
  ))
    expect([name, id]).toEqual([kind, kind]);
});

test('control workers send alarms to their hub and nothing to that of readings, which ingest workers only read', () => {
  const hubs = read('deploy/bicep/event-hubs.bicep');
  const roles = [...hubs.matchAll(/^resource (\w+) 'Microsoft\.Authorization[^]*?\n\}\]?\n/gm)].map(([text, name]) => ({
    name: name!,
    scope: /scope: (\w+)/.exec(text)![1],
    role: /roles\['Azure Event Hubs Data (\w+)'\]/.exec(text)![1],
    principal: /principalId: ([\w.]+)/.exec(text)![1],
    typed: text.includes('principalType: '),
  }));
  const of = (name: string, scope: string, role: string, principal: string) => ({
    name,
    scope,
    role,
    principal,
    typed: true,
  });
  expect(roles).toEqual([
    of('receiver', 'readings', 'Receiver', 'ingestPrincipalId'),
    of('senderGrants', 'readings', 'Sender', 'sender.id'),
    of('alarmSender', 'alarms', 'Sender', 'controlPrincipalId'),
    of('alarmReceivers', 'alarms', 'Receiver', 'reader.id'),
  ]);
  const env = /var controlEnv = concat\([^]*?\n\]/.exec(read('deploy/bicep/workers.bicep'))![0];
  for (const name of ['FLEETSCORE_EVENT_HUBS_NAMESPACE', 'FLEETSCORE_ALARMS_HUB']) expect(env).toContain(name);
  expect(env).not.toContain("'FLEETSCORE_EVENT_HUB'");
});

test('an id that is named twice, in any case, is one assignment: two of a name end a deployment', () => {
  for (const name of ['operatorTexts', 'senderList', 'alarmReaderList', 'dropWriterList']) {
    const text = new RegExp(`^var ${name} = .*$`, 'm').exec(MAIN)![0];
    expect([name, text]).toEqual([name, expect.stringContaining('union(')]);
  }
  expect(MAIN).toContain('id: toLower(first(split(text');
  // Every role assignment says of which type its principal is; its name never holds anything that a run makes anew.
  for (const file of FILES)
    for (const [text] of read(file).matchAll(
      /^resource \w+ 'Microsoft\.Authorization\/roleAssignments@[^]*?\n\}\]?\n/gm,
    )) {
      expect([file, text]).toEqual([file, expect.stringContaining('principalType: ')]);
      expect([file, /name: (guid\(.*)/.exec(text)![1]]).toEqual([
        file,
        expect.not.stringMatching(/newGuid|utcNow|deployment\(/),
      ]);
    }
});

test('nothing signs in with a key, and nothing is open that a token does not guard', () => {
  for (const file of ['storage', 'machine-learning']) {
    const accounts = read(`deploy/bicep/${file}.bicep`)
      .split(/^resource /m)
      .filter((text) => text.includes("'Microsoft.Storage/storageAccounts@"));
    expect(accounts).toHaveLength(1);
    for (const account of accounts) {
      expect(account).toContain('allowSharedKeyAccess: false');
      expect(account).toContain('allowBlobPublicAccess: false');
    }
  }
  expect(read('deploy/bicep/event-hubs.bicep')).toContain('disableLocalAuth: true');
  expect(read('deploy/bicep/sql.bicep')).toContain('azureADOnlyAuthentication: true');
  expect(read('deploy/bicep/sql.bicep')).not.toMatch(/administratorLogin/);
  expect(read('deploy/bicep/registry.bicep')).toContain('adminUserEnabled: false');
  expect(read('deploy/bicep/scoring-cluster.bicep')).toContain('disableLocalAuth: true');
  // The one key in use is that of the log workspace, which Container Apps takes in no other form.
  expect(matches(ALL, /listKeys|listConnectionStrings/g)).toHaveLength(1);
  expect(ALL).not.toMatch(/authorizationRules/);
  for (const file of FILES)
    for (const name of matches(read(file), /^param (\w*(?:[Kk]ey|[Cc]ertificate|[Pp]assword|[Ss]ecret)) string/gm)) {
      const before = read(file).split(`param ${name} string`)[0]!.trimEnd().split('\n').at(-1);
      expect([file, name, before]).toEqual([file, name, '@secure()']);
    }
});

test('the scoring cluster is empty when there is nothing to do, and named after its task queue', () => {
  expect(read('deploy/bicep/scoring-cluster.bicep')).toMatch(/minNodeCount: 0\n/);
  expect(MAIN).toContain('clusterName: scoringQueue');
  expect(/param scoringQueue string = '([^']+)'/.exec(MAIN)![1]).toBe(SCORING_QUEUE);
});

test('defaults are those of config.ts', () => {
  const config = loadConfig({});
  const preset = (name: string): string => new RegExp(`param ${name} \\w+ = '?([^'\\n]+)'?`).exec(MAIN)![1]!;
  expect(preset('hub')).toBe(config.eventHubs.hub);
  expect(loadConfig({ FLEETSCORE_WINDOW: preset('window') }).ingest.windowMs).toBe(config.ingest.windowMs);
  expect(preset('alarmsHub')).toBe(config.alarmsHub);
  expect(preset('hop')).toBe('window');
  expect(Number(preset('outOfOrderSeconds')) * 1_000).toBe(config.ingest.outOfOrderMs);
  expect(preset('scoringQueue')).toBe(config.scoring.queue);
  expect(preset('logLevel')).toBe(config.logLevel);
  expect(Number(/captureIntervalSeconds: (\d+)/.exec(MAIN)![1]) * 1_000).toBe(config.ingest.captureIntervalMs);
  expect(Number(/captureBytes: (\d+)/.exec(MAIN)![1])).toBe(config.ingest.captureBytes);
});

test('both profiles have the same settings, all in use and within what Azure takes', () => {
  type Sizes = Record<string, string | number | boolean>;
  const [tryout, production] = ['tryout', 'production'].map((name) =>
    readJson<Sizes>(`deploy/bicep/profiles/${name}.json`),
  ) as [Sizes, Sizes];
  expect(Object.keys(production)).toEqual(Object.keys(tryout));
  expect([...new Set(matches(MAIN, /\bsizes\.(\w+)/g))].toSorted()).toEqual(Object.keys(tryout).toSorted());
  for (const sizes of [tryout, production]) {
    const number = (name: string): number => Number(sizes[name]);
    expect(number('ingestReplicas')).toBeLessThanOrEqual(number('partitions'));
    expect(number('partitions')).toBeLessThanOrEqual(32);
    expect(number('throughputUnits')).toBeLessThanOrEqual(number('maxThroughputUnits'));
    expect(number('retentionHours')).toBeLessThanOrEqual(168);
    expect(sizes['privateNetwork'] === true && sizes['registrySku'] !== 'Premium').toBe(false);
    expect([1, 3]).toContain(number('streamingUnits') % 6 === 0 ? 1 : number('streamingUnits'));
    // Container Apps takes 2 GiB of memory a core.
    for (const worker of ['control', 'ingest'])
      expect(Number.parseFloat(String(sizes[`${worker}Memory`]))).toBe(Number(sizes[`${worker}Cpu`]) * 2);
  }
  const [name] = matches(read('deploy/bicep/main.parameters.json'), /DEPLOY_PROFILE=(\w+)/g);
  expect(name).toBe('tryout');
});

test('the parameter file names parameters that exist, and gives those that have no default', () => {
  const { parameters } = readJson<{ parameters: Record<string, unknown> }>('deploy/bicep/main.parameters.json');
  const known = matches(MAIN, /^param (\w+) /gm);
  for (const name of Object.keys(parameters)) expect(known).toContain(name);
  for (const name of matches(MAIN, /^param (\w+) \w+$/gm)) expect(Object.keys(parameters)).toContain(name);
  // The same for the files that the compiler expands.
  for (const profile of ['tryout', 'production']) {
    const text = read(`deploy/bicep/${profile}.bicepparam`);
    for (const name of matches(text, /^param (\w+) =/gm)) expect(known).toContain(name);
    for (const name of matches(MAIN, /^param (\w+) \w+$/gm)) expect(text).toContain(`param ${name} = `);
  }
});

test('the cluster comes after the private endpoint of its workspace, and workers after all of them', () => {
  const block = (name: string): string => new RegExp(`^module ${name} '[^]*?\\n\\}\\]?\\n`, 'm').exec(MAIN)![0];
  for (const name of ['scoringCluster', 'fallbackCluster', 'workers'])
    expect(block(name)).toMatch(/dependsOn: \[\n\s+privateEndpoints\n\s+\]/);
  expect(block('privateEndpoints')).not.toMatch(/luster/);
  expect(MAIN).toContain('workspace: machineLearning.outputs.workspaceId');
  expect(read('deploy/bicep/machine-learning.bicep')).not.toContain('workspaces/computes');
  // Every endpoint has its service.
  const kinds = matches(/var endpointKinds = \[([^]*?)\n\]/.exec(MAIN)![1]!, /\{ name: '([\w-]+)'/g);
  const services = matches(/var endpointServices = \{([^]*?)\n\}/.exec(MAIN)![1]!, /^\s+'?([\w-]+)'?: /gm);
  expect(kinds).toEqual(services);
  expect(kinds).toHaveLength(9);
});

test('the Stream Analytics job is made stopped: the hooks start it', () => {
  expect(read('deploy/bicep/stream-analytics.bicep').replaceAll(/\/\/.*$/gm, '')).not.toContain('outputStartMode');
  expect(read('deploy/azd/steps.js')).toContain("'/start'");
});

test('names that Azure wants longer than two letters have a token of a known length', () => {
  for (const file of ['registry', 'storage', 'identities'])
    expect(read(`deploy/bicep/${file}.bicep`)).toMatch(/@minLength\(13\)\nparam token string/);
});

test('what can be said about itself is sent: diagnostic settings, audit of the database, alert rules', () => {
  for (const file of ['event-hubs', 'key-vault', 'registry', 'sql', 'storage', 'machine-learning'])
    expect([file, read(`deploy/bicep/${file}.bicep`)]).toEqual([file, expect.stringContaining('diagnosticSettings@')]);
  expect(read('deploy/bicep/sql.bicep')).toContain('isAzureMonitorTargetEnabled: true');
  const asked = matches(read('deploy/bicep/alerts.bicep'), /"(fleetscore_\w+)"/g);
  expect(asked.length).toBeGreaterThan(8);
  const exported = [
    ...matches(read('deploy/monitoring/prometheus-alerts.yaml'), /\bfleetscore_\w+/g),
    ...matches(read('deploy/monitoring/azure-workbook.json'), /\bfleetscore_\w+/g),
  ];
  for (const name of asked) expect(exported).toContain(name);
});
