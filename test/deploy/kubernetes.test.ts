/** Kubernetes manifests: well formed, hardened, without secrets, and in step with the workers. */
import { createRequire } from 'node:module';
import { loadConfig } from '../../config.ts';
import { CONTROL_QUEUE, SCORING_QUEUE } from '../../domain/queues.ts';
import { parseDuration } from '../../domain/time.ts';
import { SCORE_ACTIVITY } from '../../workflows/policies.ts';
import { filesIn, matches, read } from './support.ts';

interface Yaml {
  parseAllDocuments(text: string): { errors: Error[]; toJS(): unknown }[];
}
const yaml = createRequire(import.meta.url)('yaml') as Yaml;

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: any; // eslint-disable-line -- free-form by nature
  readonly resources?: readonly string[];
}

function documents(file: string): Manifest[] {
  return yaml.parseAllDocuments(read(file)).map((document) => {
    expect([file, document.errors]).toEqual([file, []]);
    return document.toJS() as Manifest;
  });
}

const FILES = filesIn('deploy/kubernetes', '.yaml');
const ALL = FILES.flatMap(documents);
const deployments = ALL.filter(({ kind }) => kind === 'Deployment');
const USER = /^USER (\d+):(\d+)$/m.exec(read('deploy/Dockerfile'))!;

test('every manifest is part of the kustomization, and none holds a secret', () => {
  const [kustomization] = documents('deploy/kubernetes/kustomization.yaml');
  expect(kustomization!.resources!.map((name) => `deploy/kubernetes/${name}`).toSorted()).toEqual(
    FILES.filter((file) => !file.endsWith('kustomization.yaml')),
  );
  expect(ALL.map(({ kind }) => kind)).not.toContain('Secret');
  for (const file of [...FILES, 'deploy/kubernetes/config.env'])
    expect(read(file)).not.toMatch(/SharedAccessKey=|AccountKey=|Password=|BEGIN [A-Z ]*PRIVATE KEY/);
});

test.each(deployments.map((d) => [d.metadata.name, d] as const))(
  '%s runs as the image does, drains in time and cannot become more',
  (name, { spec }) => {
    const pod = spec.template.spec;
    const [container] = pod.containers;
    expect(container.args).toEqual([name]);
    expect(pod.serviceAccountName).toBe(name);
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: Number(USER[1]),
      runAsGroup: Number(USER[2]),
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(pod.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(loadConfig({}).worker.drainGraceMs + 10_000);
    expect(spec.selector.matchLabels).toEqual(expect.objectContaining({ 'app.kubernetes.io/component': name }));
    for (const [key, value] of Object.entries(spec.selector.matchLabels))
      expect(spec.template.metadata.labels[key]).toBe(value);
    const home = /FLEETSCORE_HOME=(\S+)/.exec(read('deploy/Dockerfile'))![1];
    expect(container.volumeMounts.map((mount: { mountPath: string }) => mount.mountPath)).toContain(home);
  },
);

test('there is a deployment and a service account for each worker', () => {
  const kinds = ['control', 'ingest', 'scoring'];
  expect(deployments.map((d) => d.metadata.name).toSorted()).toEqual(kinds);
  expect(
    ALL.filter(({ kind }) => kind === 'ServiceAccount')
      .map((d) => d.metadata.name)
      .toSorted(),
  ).toEqual(kinds);
});

test('the scaler watches the scoring queue with fields that KEDA knows, and lets no attempt be cut off', () => {
  const [scaler] = ALL.filter(({ kind }) => kind === 'ScaledObject') as [Manifest];
  const [{ type, metadata, authenticationRef }] = scaler.spec.triggers;
  expect(type).toBe('temporal');
  // kedacore/keda-docs, scalers/temporal.md, without what 2.20 calls deprecated and 2.21 removes (temporal_scaler.go of
  // August 2026: buildId, selectAllActive, selectUnversioned).
  const fields = [
    'endpoint',
    'endpointFromEnv',
    'namespace',
    'activationTargetQueueSize',
    'targetQueueSize',
    'taskQueue',
    'queueTypes',
    'apiKeyFromEnv',
    'minConnectTimeout',
    'unsafeSsl',
  ];
  for (const field of Object.keys(metadata)) expect(fields).toContain(field);
  for (const value of Object.values(metadata)) expect(typeof value).toBe('string');
  expect(metadata.taskQueue).toBe(SCORING_QUEUE);
  expect(metadata.taskQueue).not.toBe(CONTROL_QUEUE);
  expect(metadata.queueTypes).toBe('activity');
  const env = read('deploy/kubernetes/config.env');
  expect(env).toContain(`TEMPORAL_ADDRESS=${metadata.endpoint}\n`);
  expect(env).toContain(`TEMPORAL_NAMESPACE=${metadata.namespace}\n`);
  expect(env).toContain(`FLEETSCORE_SCORING_QUEUE=${metadata.taskQueue}\n`);
  expect(scaler.spec.scaleTargetRef.name).toBe('scoring');
  expect(deployments.find((d) => d.metadata.name === 'scoring')!.spec.replicas).toBeUndefined();
  expect(scaler.spec.cooldownPeriod * 1_000).toBeGreaterThanOrEqual(parseDuration(SCORE_ACTIVITY.startToCloseTimeout));
  const [authentication] = ALL.filter(({ kind }) => kind === 'TriggerAuthentication') as [Manifest];
  expect(authentication.metadata.name).toBe(authenticationRef.name);
});

test('azure.yaml and the CI files are YAML, and azd finds what they name', () => {
  const [azure] = documents('azure.yaml') as unknown as [
    {
      infra: { path: string; module: string };
      services: Record<string, { host: string; docker: { path: string } }>;
      hooks: Record<string, { posix: { run: string }; windows: { run: string } }>;
      workflows: { up: { steps: { azd: string }[] } };
    },
  ];
  expect(read(`${azure.infra.path}/${azure.infra.module}.bicep`)).toContain("targetScope = 'subscription'");
  const tags = matches(read('deploy/bicep/workers.bicep'), /'azd-service-name': '(\w+)'/g);
  expect(Object.keys(azure.services)).toEqual(tags);
  for (const [name, { host, docker }] of Object.entries(azure.services)) {
    expect(host).toBe('containerapp');
    expect(read(docker.path)).toContain('ENTRYPOINT');
    expect(read('deploy/bicep/main.parameters.json')).toContain(`SERVICE_${name.toUpperCase()}_IMAGE_NAME=`);
  }
  for (const [name, { posix, windows }] of Object.entries(azure.hooks)) {
    expect([posix.run, windows.run]).toEqual(Array.from({ length: 2 }, () => `node deploy/azd/hook.js ${name}`));
    expect(read('deploy/azd/hook.js')).toMatch(new RegExp(`Object\\.entries\\(\\{[^}]*\\b${name}\\b`));
  }
  expect(azure.workflows.up.steps.map((step) => step.azd)).toEqual(['provision', 'publish --all', 'provision']);
  // What a hook reads is an output of main.bicep, a setting of its parameter file, or azd's own.
  const known = [
    ...matches(read('deploy/bicep/main.bicep'), /^output (\w+) /gm),
    ...matches(read('deploy/bicep/main.parameters.json'), /\$\{(\w+)/g),
    'AZURE_SUBSCRIPTION_ID',
    'AZURE_RESOURCE_MANAGER',
  ];
  const asked = matches(read('deploy/azd/steps.js'), /\b((?:AZURE|DEPLOY|SERVICE)_[A-Z0-9_]+)\b/g);
  expect(asked.length).toBeGreaterThan(15);
  for (const name of asked) expect(known).toContain(name);
});

test('beside the backlog, Prometheus tells of chunks that are worked on, by a metric that workers send', () => {
  const [component] = documents('deploy/kubernetes/prometheus/kustomization.yaml') as unknown as [
    { kind: string; patches: { target: object; patch: string }[] },
  ];
  expect(component.kind).toBe('Component');
  const { target, patch } = component.patches[0]!;
  const scaler = ALL.find(({ kind }) => kind === 'ScaledObject')!;
  expect(target).toEqual({ kind: 'ScaledObject', name: scaler.metadata.name });
  const [{ value }] = yaml.parseAllDocuments(patch)[0]!.toJS() as [{ value: { metadata: Record<string, string> } }];
  // One that the dashboard shows, which a test holds to what workers send.
  expect(read('deploy/monitoring/grafana-dashboard.json')).toContain(`"expr": "${value.metadata['query']}"`);
  expect(value.metadata['threshold']).toBe(scaler.spec.triggers[0].metadata.targetQueueSize);
});

const TOKENS: Readonly<Record<string, object>> = {
  push: { contents: 'read', 'id-token': 'write', attestations: 'write' },
  package: { contents: 'read', 'id-token': 'write', attestations: 'write' },
  deploy: { contents: 'read', 'id-token': 'write' },
  publish: { contents: 'write', 'id-token': 'write' },
};

test('`azd pipeline config` hands on every setting that the workflow and the parameters ask for', () => {
  const [{ pipeline }] = documents('azure.yaml') as unknown as [{ pipeline: { variables: string[] } }];
  const asked = matches(read('.github/workflows/azure-dev.yml'), /vars\.((?:DEPLOY|TEMPORAL|FLEETSCORE)_\w+)/g);
  expect(asked.toSorted()).toEqual(pipeline.variables.toSorted());
  // The rest is set by the hooks.
  const parameters = matches(read('deploy/bicep/main.parameters.json'), /\$\{((?:DEPLOY|TEMPORAL|FLEETSCORE)_\w+)/g);
  const hooks = ['DEPLOY_WORKERS_IMAGE', 'DEPLOY_NODE_IMAGE', 'DEPLOY_MAKE_CLUSTER'];
  expect(parameters.filter((name) => !hooks.includes(name)).toSorted()).toEqual(asked.toSorted());
});

test('the hosted CI grants nothing by default, and pins each action', () => {
  for (const file of filesIn('.github/workflows', '.yml')) {
    const [workflow] = documents(file) as unknown as [
      {
        permissions: unknown;
        jobs: Record<string, { permissions?: Record<string, string>; steps: { uses?: string }[] }>;
      },
    ];
    expect(workflow.permissions).toEqual({ contents: 'read' });
    for (const [name, { permissions, steps }] of Object.entries(workflow.jobs)) {
      // Only the jobs that push and attest ask for a token of their own.
      expect([name, permissions]).toEqual([name, TOKENS[name]]);
      for (const { uses } of steps)
        if (uses !== undefined) expect(uses).toMatch(/^[\w.-]+\/[\w./-]+@(v\d+(\.\d+)*|[0-9a-f]{40})$/);
    }
    expect(read(file)).not.toMatch(/secrets\./);
  }
  const [dependabot] = documents('.github/dependabot.yml') as unknown as [
    { updates: { 'package-ecosystem': string }[] },
  ];
  expect(dependabot.updates.map((update) => update['package-ecosystem'])).toEqual(['npm', 'github-actions', 'docker']);
});
