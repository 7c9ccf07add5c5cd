/**
 * A fake of the management API of Azure Machine Learning, as far as the pool uses it: computes and jobs with
 * long-running operations, paging, quota of each cluster, spin-up delay on a clock the test moves, preemption, throttling.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Job {
  readonly name: string;
  readonly createdAt: number;
  properties: Record<string, unknown> & { status: string; isArchived?: boolean };
  allocatedAt?: number;
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
  /** Takes the machine of a running job away; the job waits again. */
  preempt(name: string): void;
  /** The worker of a job ends. */
  finish(name: string, status?: 'Completed' | 'Failed'): void;
  setMaxOutside(nodes: number): void;
  close(): Promise<void>;
}

export async function startFakeArm({ spinUpMs = 0, pageSize = 2 } = {}): Promise<FakeArm> {
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
    [...jobs.values()].filter((job) => ['Queued', 'Starting', 'Running'].includes(job.properties.status));
  const clusterOf = (job: Job): string => lastOf(String(job.properties.computeId));
  const room = (name: string): number => Math.min(quotaOf(name), Number(clusters.get(name)?.scale.maxNodeCount ?? 0));
  const tick = (): void => {
    for (const job of live()) {
      const held = live().filter(
        (other) => other.allocatedAt !== undefined && clusterOf(other) === clusterOf(job),
      ).length;
      if (job.properties.status === 'Queued' && held < room(clusterOf(job))) {
        job.allocatedAt = clock;
        job.properties.status = 'Starting';
      }
      if (job.properties.status === 'Starting' && clock >= job.allocatedAt! + spinUpMs)
        job.properties.status = 'Running';
    }
  };
  const clusterAnswer = (cluster: Cluster): Json => {
    tick();
    const name = lastOf(cluster.id);
    const count = (status: string): number =>
      live().filter((job) => job.properties.status === status && clusterOf(job) === name).length;
    const [waiting, running, starting] = [count('Queued'), count('Running'), count('Starting')];
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
          currentNodeCount: running + starting,
          targetNodeCount: running + starting + waiting,
          allocationState: 'Steady',
          nodeStateCounts: {
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
        ...(skip + pageSize < all.length ? { nextLink: `${base()}${url.pathname}?${next}` } : {}),
      });
    }
    return error(400, 'BadRequest', `the fake does not know ${request.method} ${url.pathname}`);
  }

  type Send = (status: number, json?: unknown, headers?: Record<string, string>) => void;
  type Fail = (status: number, code: string, message: string) => void;

  function compute(method: string, url: URL, body: Json | undefined, send: Send, error: Fail): void {
    const statusUrl = (id: string): Record<string, string> => ({
      'azure-asyncoperation': `${base()}/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/x/computeOperationsStatus/${id}`,
      'retry-after': '0',
    });
    if (method === 'PUT') {
      const own = ((body!.properties as Json).properties ?? {}) as Json;
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
      if (known && (body!.properties as Json).isArchived !== true) return error(409, 'Conflict', `job ${name} exists`);
      const job: Job = known ?? { name, createdAt: clock, properties: { status: 'Queued' } };
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
    fail: (left, status, code) => void (failing = { left, status, code }),
    preempt(name) {
      const job = jobs.get(name)!;
      job.properties.status = 'Queued';
      delete job.allocatedAt;
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
