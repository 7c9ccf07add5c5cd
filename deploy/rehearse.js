/**
 * All of a deployment that can be tried without a subscription, in a few seconds: what azd, the registry, the compiler
 * and the tools of Kubernetes and Prometheus would say first. A tool that is not there is named, not passed over in
 * silence.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { oldVersions } from './check/api-versions.js';
import { baseImages } from './check/base-images.js';
import { fillParameters } from './check/parameters.js';
import { readFlags } from './flags.js';

const { values: flags } = readFlags(
  'npm run rehearse [-- --image] (--image builds the image too, with a container engine; minutes)',
  { options: { image: { type: 'boolean' } } },
);
const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path) => readFileSync(join(root, path), 'utf8');

/** Runs a program. @returns what it wrote, or undefined when it is not there @throws Error with what it said */
function run(program, args, { wrong } = {}) {
  const { error, status, stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: 'utf8', timeout: 900_000 });
  if (error?.code === 'ENOENT') return undefined;
  if (error) throw new Error(error.message);
  if (status !== 0 || wrong?.test(stderr)) throw new Error(`${program} ${args[0]}: ${(stderr || stdout).trim()}`);
  return stdout;
}

const SAMPLE = {
  AZURE_ENV_NAME: 'rehearsal',
  AZURE_LOCATION: 'westeurope',
  TEMPORAL_ADDRESS: 'my-namespace.a1b2c.tmprl.cloud:7233',
  DEPLOY_TEMPORAL_KEY_BASE64: Buffer.from('-----BEGIN KEY-----\n"x"\n-----END KEY-----\n').toString('base64'),
};

/** A warning of the compiler ends a step, as an error does; its notes about newer releases do not. */
const BICEP = { wrong: /\) : (Warning|Error) / };

/** The compiler by itself, or the one that the Azure CLI brings. */
function bicep(args) {
  return run('bicep', args, BICEP) ?? run('az', ['bicep', args[0], '--file', ...args.slice(1)], BICEP);
}

const steps = {
  'base images, ARGs expanded once'() {
    const trouble = [
      ...baseImages(read('deploy/Dockerfile')).trouble,
      ...baseImages(read('deploy/node-image/Dockerfile'), { IMAGE: 'registry.azurecr.io/fleetscore/control:1' })
        .trouble,
    ];
    if (trouble.length > 0) throw new Error(trouble.join('; '));
  },
  'parameters as azd fills them in'() {
    for (const DEPLOY_PROFILE of ['tryout', 'production'])
      fillParameters(read('deploy/bicep/main.parameters.json'), { ...SAMPLE, DEPLOY_PROFILE });
  },
  'azure.yaml and its hooks'() {
    const { hooks } = createRequire(import.meta.url)('yaml').parse(read('azure.yaml'));
    for (const { posix } of Object.values(hooks)) run(process.execPath, ['--check', posix.run.split(' ')[1]]);
  },
  'API versions of Azure, none older than two years'() {
    const folder = 'deploy/bicep';
    const bicepFiles = readdirSync(join(root, folder)).filter((name) => name.endsWith('.bicep'));
    const text = bicepFiles.map((name) => read(`${folder}/${name}`)).join('\n');
    const old = oldVersions(text, JSON.parse(read('deploy/check/api-versions.json')), new Date());
    // They still work: it is time to look, not to stop.
    return old.length === 0 ? undefined : old.join('; ');
  },
  'Bicep build and lint, warnings as errors': () => {
    if (bicep(['build', 'deploy/bicep/main.bicep', '--stdout']) === undefined) return 'no bicep or az on the PATH';
    bicep(['lint', 'deploy/bicep/main.bicep']);
    return undefined;
  },
  'Bicep parameters of both profiles'() {
    for (const profile of ['tryout', 'production'])
      if (run('bicep', ['build-params', `deploy/bicep/${profile}.bicepparam`, '--stdout'], BICEP) === undefined)
        return 'no bicep on the PATH';
    return undefined;
  },
  'Kubernetes manifests, kustomize'() {
    if (run('kubectl', ['kustomize', 'deploy/kubernetes']) === undefined) return 'no kubectl on the PATH';
    const folder = mkdtempSync(join(tmpdir(), 'fleetscore-kustomize-'));
    try {
      cpSync(join(root, 'deploy/kubernetes'), folder, { recursive: true });
      appendFileSync(join(folder, 'kustomization.yaml'), 'components: [prometheus]\n');
      if (!run('kubectl', ['kustomize', folder]).includes('type: prometheus'))
        throw new Error('the component prometheus changes nothing');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    return undefined;
  },
  'Kubernetes manifests, schemas'() {
    const files = ['control', 'ingest', 'scoring', 'namespace', 'network-policy', 'service-accounts'].map(
      (name) => `deploy/kubernetes/${name}.yaml`,
    );
    if (run('kubeconform', ['-strict', '-summary', ...files]) !== undefined) return undefined;
    if (spawnSync('python3', ['-c', 'import kubernetes_validate']).status !== 0)
      return 'neither kubeconform nor deploy/check/kubernetes.txt is installed';
    run('python3', ['-m', 'kubernetes_validate', '--strict', '--quiet', ...files]);
    return undefined;
  },
  'Prometheus rules'() {
    const said = run('promtool', ['check', 'rules', 'deploy/monitoring/prometheus-alerts.yaml']);
    return said === undefined ? 'no promtool on the PATH' : undefined;
  },
  'image, built and started'() {
    if (!flags.image) return 'only with --image';
    run('bash', ['deploy/build-image.sh', 'fleetscore:rehearsal']);
    run('bash', ['deploy/try-image.sh']);
    return undefined;
  },
};

const count = { done: 0, wrong: 0 };
const left = [];
for (const [name, step] of Object.entries(steps)) {
  try {
    const why = step();
    if (why === undefined) count.done += 1;
    else left.push(name);
    process.stdout.write(why === undefined ? `ok       ${name}\n` : `not run  ${name}: ${why}\n`);
  } catch (error) {
    count.wrong += 1;
    process.stdout.write(`WRONG    ${name}: ${error.message}\n`);
  }
}
process.stdout.write(
  `rehearsal: ${count.done} steps ok, ${count.wrong} wrong, ${left.length} not ` +
    `run${left.length > 0 ? ` (${left.join('; ')})` : ''}; nothing of it is live Azure\n`,
);
process.exitCode = count.wrong > 0 ? 1 : 0;
