/**
 * The laptop stack: Temporal dev server, Blob server, Event Hubs emulator, SQLite, and the workers, each in a
 * process of its own on loopback. All data lie under `{home}/data` and survive; workers that die are started
 * again; a server that dies ends the stack with a clear word.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { programEnv } from '../domain/program-env.ts';
import { type Config, type Env } from '../config.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { codeFile } from '../paths.ts';
import { poolQueues } from '../pool/pools-file.ts';
import { openStore } from '../storage/open-store.ts';
import { connectClient } from '../connect/temporal.ts';
import { needsImport } from './blob-server/azurite-import.ts';
import { emulatorConnection } from './blob-server/server.ts';
import { carryLogs, type CarriedLogs } from './carried-logs.ts';
import { guarded, startChild, untilAnswers, untilReady, type StackChild } from './child.ts';
import { claimPort, LOOPBACK } from './ports.ts';
import { refOf } from './processes.ts';
import type { ScoringPools } from './scoring-pool.ts';
import { claimHome, releaseHome, writeStack } from './state.ts';
import { findTemporal } from './temporal-binary.ts';

export interface StackOptions {
  readonly config: Config;
  /** Environment of the processes; addresses of the stack are added. */
  readonly env: Env;
  readonly log: (line: string) => void;
  /** Scoring worker processes of each pool: so many all the time, or as many as there is work for, from zero. Default: 1. */
  readonly scoringWorkers?: number | 'pool';
  /** False: the servers only, for whoever starts workers of its own. Default true. */
  readonly workers?: boolean;
}

export interface Stack {
  readonly ui: string;
  readonly env: Env;
  /** Rejects when a server of the stack dies: nothing works without it. */
  readonly broken: Promise<never>;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
/** As long as copying some hundreds of thousands of blobs may take. */
const IMPORT_TIMEOUT_MS = 3_600_000;
/** Between the death of a worker and its replacement; doubles up to the longest. */
const RESTART_MS = 500;
const MAX_RESTART_MS = 30_000;

/** Without one of the servers there is little to drain: what was under way is done again at the next start. */
const GRACE_WITHOUT_SERVER_MS = 3_000;

/** @throws FleetscoreError `STACK_RUNNING`, `PORT_BUSY`, `START_FAILED`, `NO_PYTHON`, `TEMPORAL_INSTALL` */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { config } = options;
  claimHome(config.home);
  const children: StackChild[] = [];
  const logs = carryLogs();
  let pools: ScoringPools | undefined;
  let stopping = false;
  let serverDied = false;
  const stop = async (): Promise<void> => {
    stopping = true;
    await pools?.stop();
    // Workers drain while the servers still answer.
    const workers = children.filter((child) => WORKERS.has(child.name));
    await Promise.all(workers.map((child) => child.stop(serverDied ? GRACE_WITHOUT_SERVER_MS : undefined)));
    await logs.close();
    await Promise.all(children.filter((child) => !WORKERS.has(child.name)).map((child) => child.stop()));
    releaseHome(config.home);
  };
  try {
    const temporal = await findTemporal(config.toolsDir, options.log, options.env as NodeJS.ProcessEnv);
    const ports = await claimPorts(config);
    const servers = startServers(config, ports, temporal, programEnv(options.env));
    children.push(...servers.map((server) => server.child));
    // Workers start side by side, and those that score do not make tables.
    await Promise.all([migrate(config.sqlUrl), ...servers.map((server) => server.ready)]);

    const clientEnv = clientVariables(config, ports);
    const env = { ...options.env, ...clientEnv };
    const { scoringWorkers = 1, log } = options;
    // So many for the queue of each pool: models may name any of them.
    const queues = scoringWorkers === 'pool' ? [] : [...(await poolQueues(config)).values()];
    const scoring = queues.flatMap((queue) =>
      Array.from({ length: scoringWorkers as number }, () => ({
        role: 'scoring',
        env: { ...env, FLEETSCORE_SCORING_QUEUE: queue },
      })),
    );
    const workers = options.workers === false ? [] : [{ role: 'ingest', env }, { role: 'control', env }, ...scoring];
    await Promise.all(
      workers.map((worker, i) =>
        superviseWorker(
          () => startWorker(worker.role, i, config, worker.env, logs),
          i,
          children,
          () => stopping,
          log,
        ),
      ),
    );
    if (scoringWorkers === 'pool') {
      const { startScoringPools } = await import('./scoring-pool.ts');
      pools = await startScoringPools({
        env,
        log,
        start: (variables) =>
          addChild(children, startWorker('scoring', children.length, config, { ...env, ...variables }, logs)),
        ready: (worker) => untilReady(worker as ReturnType<typeof startChild>, START_TIMEOUT_MS),
      });
    }

    const supervisor = refOf(process.pid);
    if (!supervisor) throw new Error('this process cannot be found in the process list');
    const ui = `http://${LOOPBACK}:${ports.ui}`;
    writeStack(config.home, { supervisor, startedAt: new Date().toISOString(), ui, env: clientEnv });
    const broken = Promise.race(
      servers.map(async ({ child }): Promise<never> => {
        const how = await child.ended;
        if (stopping) return new Promise(() => {});
        serverDied = true;
        throw new FleetscoreError(
          'SERVER_DIED',
          `${child.name} ended (${how}); the stack cannot go on without it. Its log: ${child.logFile}. Start again with \`fleetscore up\`.`,
        );
      }),
    );
    broken.catch(() => {});
    return { ui, env, broken, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function migrate(sqlUrl: string): Promise<void> {
  const store = await openStore(sqlUrl);
  try {
    await store.migrate();
  } finally {
    await store.close();
  }
}

const WORKERS: ReadonlySet<string> = new Set(['ingest worker', 'control worker', 'scoring worker']);

type Ports = Config['ports'];

async function claimPorts(config: Config): Promise<Ports> {
  const { ports } = config;
  return {
    temporal: await claimPort(ports.temporal, 'Temporal', 'FLEETSCORE_TEMPORAL_PORT'),
    ui: await claimPort(ports.ui, "Temporal's Web UI", 'FLEETSCORE_UI_PORT'),
    blob: await claimPort(ports.blob, 'Blob storage', 'FLEETSCORE_BLOB_PORT'),
    eventHubs: await claimPort(ports.eventHubs, 'the Event Hubs emulator', 'FLEETSCORE_EVENT_HUBS_PORT'),
  };
}

function clientVariables(config: Config, ports: Ports): Record<string, string> {
  return {
    FLEETSCORE_HOME: config.home,
    TEMPORAL_ADDRESS: `${LOOPBACK}:${ports.temporal}`,
    FLEETSCORE_SQL_URL: config.sqlUrl,
    FLEETSCORE_BLOB_CONNECTION_STRING: emulatorConnection(ports.blob),
    FLEETSCORE_EVENT_HUBS_CONNECTION_STRING: `Endpoint=sb://localhost:${ports.eventHubs};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;`,
    // Commands ask for the pools that this stack has.
    ...(config.pool.poolsFile === undefined ? {} : { FLEETSCORE_POOLS_FILE: resolve(config.pool.poolsFile) }),
  };
}

function startServers(
  config: Config,
  ports: Ports,
  temporal: string,
  env: Env,
): { child: StackChild; ready: Promise<void> }[] {
  const data = join(config.home, 'data');
  const logFile = (name: string): string => join(config.home, 'logs', `${name}.log`);
  mkdirSync(join(data, 'event-hubs'), { recursive: true });

  const server = startChild(
    guarded({
      name: 'Temporal',
      command: temporal,
      env,
      logFile: logFile('temporal'),
      args: [
        'server',
        'start-dev',
        '--ip',
        LOOPBACK,
        '--port',
        String(ports.temporal),
        '--ui-port',
        String(ports.ui),
        '--ui-ip',
        LOOPBACK,
        '--db-filename',
        join(data, 'temporal.db'),
        '--log-level',
        'error',
        '--ui-disable-news-fetch',
        // The default writes through at every step and is five times slower; WAL loses nothing when a process dies.
        '--sqlite-pragma',
        'journal_mode=WAL',
        '--sqlite-pragma',
        'synchronous=NORMAL',
        // One process serves every queue: four partitions of each would only pass tasks on to each other (a seventh of its CPU).
        '--dynamic-config-value',
        'matching.numTaskqueueReadPartitions=1',
        '--dynamic-config-value',
        'matching.numTaskqueueWritePartitions=1',
      ],
    }),
  );
  const blobs = join(data, 'blobs');
  const azurite = join(data, 'azurite');
  // Homes of earlier versions: their blobs are copied before the server answers.
  const blobTimeoutMs = needsImport(azurite, blobs) ? IMPORT_TIMEOUT_MS : START_TIMEOUT_MS;
  const blobServer = startChild({
    name: 'Blob server',
    file: codeFile('local/blob-server/main'),
    env,
    logFile: logFile('blob'),
    args: ['--port', String(ports.blob), '--data', blobs, '--azurite', azurite],
  });
  const eventHubs = startChild({
    name: 'Event Hubs emulator',
    file: codeFile('local/event-hubs/main'),
    env,
    logFile: logFile('event-hubs'),
    args: [
      '--port',
      String(ports.eventHubs),
      '--data',
      join(data, 'event-hubs'),
      '--hub',
      config.eventHubs.hub,
      '--partitions',
      '4',
    ],
  });
  const storing = (ready: Promise<void>): Promise<void> =>
    ready.catch((error: unknown) => {
      throw new FleetscoreError(
        'START_FAILED',
        `${messageOf(error)}\nShould what it stored be damaged (a full disk, a lost machine): delete ${data} to begin anew. Readings, predictions and history in it are gone then.`,
        { cause: error },
      );
    });
  return [
    {
      child: server,
      ready: storing(untilAnswers(server, () => temporalAnswers(`${LOOPBACK}:${ports.temporal}`), START_TIMEOUT_MS)),
    },
    { child: blobServer, ready: storing(untilReady(blobServer, blobTimeoutMs)) },
    { child: eventHubs, ready: untilReady(eventHubs, START_TIMEOUT_MS) },
  ];
}

async function temporalAnswers(address: string): Promise<boolean> {
  const client = await connectClient({ TEMPORAL_ADDRESS: address });
  try {
    await client.workflowService.describeNamespace({ namespace: 'default' });
    return true;
  } finally {
    await client.connection.close();
  }
}

/** Starts a worker, waits until it is ready, and replaces it whenever it dies. */
async function superviseWorker(
  startOne: () => ReturnType<typeof startChild>,
  index: number,
  children: StackChild[],
  stopping: () => boolean,
  log: (line: string) => void,
): Promise<void> {
  const start = (): ReturnType<typeof startChild> => addChild(children, startOne());
  const first = start();
  await untilReady(first, START_TIMEOUT_MS);
  void (async () => {
    let delay = RESTART_MS;
    for (let child = first; ;) {
      const startedAt = Date.now();
      const how = await child.ended;
      if (stopping()) return;
      if (Date.now() - startedAt > MAX_RESTART_MS) delay = RESTART_MS;
      log(`${child.name} ${index} ended (${how}); starting it again`);
      await new Promise((resolve) => setTimeout(resolve, delay).unref());
      if (stopping()) return;
      delay = Math.min(delay * 2, MAX_RESTART_MS);
      child = start();
    }
  })().catch((error: unknown) => log(`a worker cannot be started again: ${messageOf(error)}`));
}

function startWorker(
  role: string,
  index: number,
  config: Config,
  env: Env,
  logs: CarriedLogs,
): ReturnType<typeof startChild> {
  const own = workerEnv(env, config, index);
  return logs.carry(role, own, (onOutput) =>
    startChild({
      name: `${role} worker`,
      file: codeFile(`workers/${role}`),
      env: own,
      logFile: join(config.home, 'logs', `${role}.log`),
      ...(onOutput ? { onOutput } : {}),
    }),
  );
}

/** Keeps a child on the list of those to stop, for as long as it lives. */
function addChild<C extends StackChild>(children: StackChild[], child: C): C {
  children.push(child);
  void child.ended.then(() => children.splice(children.indexOf(child), 1));
  return child;
}

/** What differs between the workers of a stack: the name of an ingest worker, and the port of the metrics. */
function workerEnv(env: Env, config: Config, index: number): Env {
  const metrics = config.metricsPort ? { FLEETSCORE_METRICS_PORT: String(config.metricsPort + index) } : {};
  return { ...env, ...metrics, FLEETSCORE_INGEST_WORKER: `ingest-${index}` };
}
