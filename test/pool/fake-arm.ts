/**
 * A fake of the management API of Azure Machine Learning, as far as the pool uses it: computes and jobs with
 * long-running operations, paging, quota of each cluster, spin-up delay on a clock the test moves, preemption,
 * throttling. Strict where the service is: job states come in its order (Starting, Preparing, Queued, Running;
 * recording test_command_job_with_dataset of 2026-03-27), counts of a cluster are null while it is made (recording
 * test_aml_compute_create_and_delete of 2024-12), a name that is taken is 400 unless the body is the same
 * (MicrosoftDocs/azure-docs#122250), what a job is cannot be changed (Azure/azure-sdk-for-python#47389), quota 0
 * refuses the creation (Azure/mlops-v2#81), and each call needs its actions (how-to-assign-roles.md, 2025-10).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Job {
  readonly name: string;
  readonly createdAt: number;
  properties: Record<string, unknown> & { status: string; isArchived?: boolean };
  /** What was sent, to tell a repetition from a change. */
  sent: string;
  allocatedAt?: number;
  /** There was no machine when it came into the queue, or its machine was taken away. */
  waited?: boolean;
}

type Json = Record<string, unknown>;

interface Cluster {
  readonly id: string;
  readonly body: Json;
  scale: Json;
  state: string;
  preempted: number;
}

const UNLIMITED = 1_000;
/** From the PUT of a job until it stands in the queue of its cluster. */
const PREPARE_MS = 1_000;
const QUEUE_MS = 3_000;
const PROVIDER = 'Microsoft.MachineLearningServices/workspaces';
const ASSIGN = 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action';
const JOIN = 'Microsoft.Network/virtualNetworks/subnets/join/action';
/** Actions of each call, below the workspace. */
const NEEDED = {
  'GET computes': ['computes/read'],
  'PUT computes': ['computes/read', 'computes/write'],
  'PATCH computes': ['computes/read', 'computes/write'],
  'GET jobs': ['jobs/read'],
  'PUT jobs': [
    'read',
    'datastores/read',
    'computes/read',
    'environments/versions/read',
    'jobs/write',
    'environments/write',
    'environments/build/action',
    'environments/readSecrets/action',
    'metadata/artifacts/write',
  ],
  'POST jobs': ['jobs/cancel/action'],
} as const;
/** Properties of a job that an update may change. */
const CHANGEABLE = new Set(['isArchived', 'tags', 'description', 'displayName', 'properties', 'status', 'services']);
const sorted = (value: unknown): unknown =>
  value === null || typeof value !== 'object' || Array.isArray(value)
    ? value
    : Object.fromEntries(
        Object.entries(value)
          .filter(([, own]) => own !== null)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, own]) => [key, sorted(own)]),
      );
const fixedPart = (properties: Json): string =>
  JSON.stringify(sorted(Object.fromEntries(Object.entries(properties).filter(([key]) => !CHANGEABLE.has(key)))));
/** Whether a role with these actions allows one, where `*` stands for any text. */
export const allows = (actions: readonly string[], action: string): boolean =>
  actions.some((pattern) =>
    new RegExp(
      `^${pattern
        .split('*')
        .map((part) => part.replaceAll(/[.]/g, '\\.'))
        .join('.*')}$`,
      'i',
    ).test(action),
  );
const lastOf = (id: string): string => id.split('/').pop() ?? '';

export interface FakeArm {
  readonly url: string;
  readonly jobs: Map<string, Job>;
  /** The cluster of this name; the first one without. */
  readonly cluster: (name?: string) => Json | undefined;
  /** Requests as `METHOD path`. */
  readonly log: string[];
  /** Moves the clock. */
  advance(ms: number): void;
  now(): number;
  /** Machines that a cluster gets at the most; the first one when no name is given. */
  setQuota(nodes: number, cluster?: string): void;
  /** The next requests are refused for their rate. */
  throttle(requests: number, retryAfter: string): void;
  /** The next requests fail with this status. */
  fail(requests: number, status: number, code: string): void;
  /** Whatever changes something fails with this status from now on. */
  failWrites(status: number, code: string): void;
  /** From now on the caller's roles allow these actions on the workspace, and these on identities and subnets. */
  allow(actions: readonly string[], linked: readonly string[]): void;
  /** Takes the machine of a running job away; the job waits again. */
  preempt(name: string): void;
  /** The worker of a job ends. */
  finish(name: string, status?: 'Completed' | 'Failed'): void;
  setMaxOutside(nodes: number): void;
  close(): Promise<void>;
}

export interface FakeArmOptions {
  readonly spinUpMs?: number;
  readonly pageSize?: number;
}

export async function startFakeArm({ spinUpMs = 0, pageSize = 2 }: FakeArmOptions = {}): Promise<FakeArm> {
  let actions: readonly string[] = ['*'];
  let linked: readonly string[] = ['*'];
  const jobs = new Map<string, Job>();
  const operations = new Map<string, { left: number; readonly done: () => void }>();
  const log: string[] = [];
  const clusters = new Map<string, Cluster>();
  const quotas = new Map<string, number>();
  const named = (name?: string): Cluster | undefined =>
    name === undefined ? [...clusters.values()][0] : clusters.get(name);
  const quotaOf = (name: string): number => quotas.get(name) ?? UNLIMITED;
  let clock = 1_800_000_000_000;
  let throttled = { left: 0, retryAfter: '' };
  let failing = { left: 0, status: 500, code: '' };
  let readOnly: { readonly status: number; readonly code: string } | undefined;

  const live = (): Job[] =>
    [...jobs.values()].filter((job) => ['Starting', 'Preparing', 'Queued', 'Running'].includes(job.properties.status));
  const clusterOf = (job: Job): string => lastOf(String(job.properties.computeId));
  const room = (name: string): number => Math.min(quotaOf(name), Number(clusters.get(name)?.scale.maxNodeCount ?? 0));
  const tick = (): void => {
    for (const job of live()) {
      const held = live().filter(
        (other) => other.allocatedAt !== undefined && clusterOf(other) === clusterOf(job),
      ).length;
      const age = clock - job.createdAt;
      if (job.properties.status === 'Starting' && age >= PREPARE_MS) job.properties.status = 'Preparing';
      if (job.properties.status === 'Preparing' && age >= QUEUE_MS) job.properties.status = 'Queued';
      if (job.properties.status !== 'Queued') continue;
      if (job.allocatedAt === undefined) {
        if (held < room(clusterOf(job))) job.allocatedAt = job.waited ? clock : job.createdAt + QUEUE_MS;
        else job.waited = true;
      }
      if (job.allocatedAt !== undefined && clock >= job.allocatedAt + spinUpMs) job.properties.status = 'Running';
    }
  };
  const clusterAnswer = (cluster: Cluster): Json => {
    tick();
    const name = lastOf(cluster.id);
    const mine = live().filter((job) => clusterOf(job) === name);
    const running = mine.filter((job) => job.properties.status === 'Running').length;
    const starting = mine.filter((job) => job.properties.status === 'Queued' && job.allocatedAt !== undefined).length;
    const waiting = mine.filter((job) => job.properties.status === 'Queued' && job.allocatedAt === undefined).length;
    const making = cluster.state === 'Creating';
    const quotaHit = waiting > 0 && running + starting >= quotaOf(name);
    const own = (cluster.body.properties as Json).properties as Json;
    return {
      id: cluster.id,
      name,
      type: 'Microsoft.MachineLearningServices/workspaces/computes',
      location: cluster.body.location,
      identity: cluster.body.identity,
      properties: {
        ...(cluster.body.properties as Json),
        computeType: 'AmlCompute',
        provisioningState: cluster.state,
        properties: {
          ...own,
          scaleSettings: cluster.scale,
          currentNodeCount: making ? null : running + starting,
          targetNodeCount: making ? null : running + starting + waiting,
          allocationState: making ? null : starting + waiting > 0 ? 'Resizing' : 'Steady',
          nodeStateCounts: making
            ? null
            : {
                idleNodeCount: 0,
                runningNodeCount: running,
                preparingNodeCount: starting,
                unusableNodeCount: 0,
                leavingNodeCount: 0,
                preemptedNodeCount: cluster.preempted,
              },
          errors: quotaHit
            ? [{ error: { code: 'ClusterCoreQuotaReached', message: 'Cluster core quota reached.' } }]
            : null,
        },
      },
    };
  };
  const jobAnswer = (job: Job): Json => ({
    id: `/jobs/${job.name}`,
    name: job.name,
    properties: job.properties,
    systemData: { createdAt: new Date(job.createdAt).toISOString() },
  });

  const server = createServer(
    (request, response) => void handle(request, response).catch((error: unknown) => response.destroy(error as Error)),
  );
  const base = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const operation = (done: () => void): string => {
    const id = `op${operations.size + 1}`;
    operations.set(id, { left: 2, done });
    return id;
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', base());
    let text = '';
    for await (const part of request) text += String(part);
    const body = text === '' ? undefined : (JSON.parse(text) as Json);
    log.push(`${request.method} ${url.pathname.replace(/.*workspaces\/[^/]+/, '')}`);
    const send = (status: number, json?: unknown, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(json === undefined ? undefined : JSON.stringify(json));
    };
    const error = (status: number, code: string, message: string, headers = {}): void =>
      send(status, { error: { code, message } }, headers);
    if (!request.headers.authorization?.startsWith('Bearer ')) return error(401, 'AuthenticationFailed', 'no token');
    if (throttled.left > 0) {
      throttled.left -= 1;
      return error(429, 'TooManyRequests', 'slow down', { 'retry-after': throttled.retryAfter });
    }
    if (readOnly && request.method !== 'GET') return error(readOnly.status, readOnly.code, 'told to fail');
    if (failing.left > 0) {
      failing.left -= 1;
      return error(failing.status, failing.code, 'told to fail');
    }
    const kind = /\/(computes|jobs)(\/|$)/.exec(url.pathname)?.[1];
    const needed = NEEDED[`${request.method} ${kind}` as keyof typeof NEEDED] ?? [];
    const missing = needed.find((action) => !allows(actions, `${PROVIDER}/${action}`));
    if (missing !== undefined)
      return error(403, 'AuthorizationFailed', `no authorization to perform action '${PROVIDER}/${missing}'`);
    const status = /computeOperationsStatus\/(\w+)$/.exec(url.pathname);
    if (status) {
      const op = operations.get(status[1]!)!;
      if (op.left-- > 0) return send(200, { name: status[1], status: 'InProgress' }, { 'retry-after': '0' });
      op.done();
      return send(200, { name: status[1], status: 'Succeeded' });
    }
    const result = /mfeOperationResults\/(\w+)$/.exec(url.pathname);
    if (result) {
      const op = operations.get(result[1]!)!;
      if (op.left-- > 0) return send(202, undefined, { location: `${base()}${url.pathname}`, 'retry-after': '0' });
      op.done();
      return send(200, {});
    }
    if (/\/computes\/[^/]+$/.test(url.pathname)) return compute(request.method!, url, body, send, error);
    const job = /\/jobs\/([^/]+)(\/cancel)?$/.exec(url.pathname);
    if (job) return oneJob(request.method!, job[1]!, job[2] !== undefined, body, send, error);
    if (url.pathname.endsWith('/jobs')) {
      tick();
      const tag = url.searchParams.get('tag');
      const all = [...jobs.values()]
        .reverse()
        .filter(
          (j) =>
            j.properties.isArchived !== true &&
            (tag === null || tag in ((j.properties.tags as Json | undefined) ?? {})),
        );
      const skip = Number(url.searchParams.get('$skip') ?? 0);
      const next = new URLSearchParams(url.searchParams);
      next.set('$skip', String(skip + pageSize));
      return send(200, {
        value: all.slice(skip, skip + pageSize).map(jobAnswer),
        ...(skip + pageSize < all.length ? { nextLink: `${base()}${url.pathname}?${next.toString()}` } : {}),
      });
    }
    return error(400, 'BadRequest', `the fake does not know ${request.method} ${url.pathname}`);
  }

  type Send = (status: number, json?: unknown, headers?: Record<string, string>) => void;
  type Fail = (status: number, code: string, message: string) => void;

  function compute(method: string, url: URL, body: Json | undefined, send: Send, error: Fail): void {
    const statusUrl = (id: string): Record<string, string> => ({
      'azure-asyncoperation':
        `${base()}/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/x/computeOperationsStatus/` +
        id,
      'retry-after': '0',
    });
    if (method === 'PUT') {
      const own = ((body!.properties as Json).properties ?? {}) as Json;
      const links = [
        ...(body!.identity !== undefined && 'userAssignedIdentities' in (body!.identity as Json) ? [ASSIGN] : []),
        ...(own.subnet === undefined ? [] : [JOIN]),
      ];
      const unlinked = links.find((action) => !allows(linked, action));
      if (unlinked !== undefined)
        return error(
          403,
          'LinkedAuthorizationFailed',
          `no permission to perform action '${unlinked}' on the linked scope`,
        );
      if (quotaOf(lastOf(url.pathname)) === 0 && !clusters.has(lastOf(url.pathname)))
        return error(
          400,
          'BadRequest',
          'The specified subscription has a total vCPU quota of 0 and cannot accomodate for at least 1 ' +
            'requested managed compute node',
        );
      const made: Cluster = {
        id: url.pathname,
        body: body!,
        scale: own.scaleSettings as Json,
        state: 'Creating',
        preempted: 0,
      };
      clusters.set(lastOf(made.id), made);
      return send(201, clusterAnswer(made), statusUrl(operation(() => (made.state = 'Succeeded'))));
    }
    const cluster = clusters.get(lastOf(url.pathname));
    if (!cluster) return error(404, 'ResourceNotFound', 'compute not found');
    if (method === 'PATCH') {
      const scale =
        ((body!.properties as Json).properties as Json | undefined)?.scaleSettings ??
        (body!.properties as Json).scaleSettings;
      return send(200, clusterAnswer(cluster), statusUrl(operation(() => (cluster.scale = scale as Json))));
    }
    return send(200, clusterAnswer(cluster));
  }

  function oneJob(
    method: string,
    name: string,
    cancel: boolean,
    body: Json | undefined,
    send: Send,
    error: Fail,
  ): void {
    const known = jobs.get(name);
    if (method === 'PUT') {
      const sent = fixedPart(body!.properties as Json);
      if (known && (body!.properties as Json).isArchived === true && sent !== known.sent)
        return error(400, 'JobPropertyImmutable', `sent ${sent}, is ${known.sent}`);
      if (known && sent !== known.sent)
        return error(400, 'UserError', 'A job with this name already exists. The existing job cannot be changed.');
      const job: Job = known ?? { name, createdAt: clock, properties: { status: 'Starting' }, sent };
      job.properties = { ...(body!.properties as Json), status: job.properties.status };
      jobs.set(name, job);
      return send(known ? 200 : 201, jobAnswer(job));
    }
    if (!known) return error(404, 'NotFound', `job ${name} not found`);
    if (cancel) {
      known.properties.status = 'CancelRequested';
      const id = operation(() => (known.properties.status = 'Canceled'));
      return send(202, undefined, { location: `${base()}/mfeOperationResults/${id}`, 'retry-after': '0' });
    }
    tick();
    return send(200, jobAnswer(known));
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: base(),
    jobs,
    log,
    cluster: (name) => {
      const found = named(name);
      return found && clusterAnswer(found);
    },
    advance(ms) {
      tick();
      clock += ms;
      tick();
    },
    now: () => clock,
    setQuota: (nodes, name) => void quotas.set(name ?? lastOf(named()!.id), nodes),
    throttle: (left, retryAfter) => void (throttled = { left, retryAfter }),
    failWrites: (status, code) => void (readOnly = { status, code }),
    allow: (own, others) => void ([actions, linked] = [own, others]),
    fail: (left, status, code) => void (failing = { left, status, code }),
    preempt(name) {
      const job = jobs.get(name)!;
      job.properties.status = 'Queued';
      delete job.allocatedAt;
      job.waited = true;
      clusters.get(clusterOf(job))!.preempted += 1;
    },
    finish(name, status = 'Completed') {
      jobs.get(name)!.properties.status = status;
    },
    setMaxOutside: (nodes) => void (named()!.scale = { ...named()!.scale, maxNodeCount: nodes }),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
