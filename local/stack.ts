/**
 * The laptop stack: Temporal (a dev server, or one that somebody else runs), Blob server, Event Hubs emulator, SQLite,
 * and the workers, each in a process of its own on loopback. All data lie under `{home}/data` and survive; workers that
 * die are started again; a server that dies ends the stack with a clear word; a start that fails leaves no process.
 */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import type { Config, Env } from '../config.ts';
import { readMapping } from '../connect/mapping.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { programEnv } from '../domain/program-env.ts';
import { poolQueues } from '../pool/queues.ts';
import { openStore } from '../storage/open-store.ts';
import { startChild, untilReady } from './child.ts';
import { makeFolder, needRoom, PRIVATE } from '../storage/folders.ts';
import { stackKeys } from './keys.ts';
import { ownTemporal, withoutSecrets, withoutTemporal } from './own-temporal.ts';
import { openParts, SHORT_GRACE, superviseWorker, type Parts } from './parts.ts';
import { LOOPBACK } from '../domain/loopback.ts';
import { dropTargets, openTargets, type PrometheusTargets } from './prometheus-targets.ts';
import { refOf } from '../connect/processes.ts';
import { checkOutside, outsideSettings, type OutsideTemporal } from './outside-temporal.ts';
import { claimPorts, claimTemporalPorts, startServers, type OwnTemporal, type Server } from './servers.ts';
import { claimHome, leaveHome, releaseHome, writeStack } from './state.ts';
import { findTemporal } from './temporal-binary.ts';
import { appAddress, claimAppPort, startWebApplication } from './web-application.ts';
import { defined } from '../domain/defined.ts';
import { partVariables } from './stack-variables.ts';
import { startWorker } from './stack-worker.ts';

export interface StackOptions {
  readonly config: Config;
  /** Environment of the processes; addresses of the stack are added, settings of Temporal's clients are left out. */
  readonly env: Env;
  readonly log: (line: string) => void;
  /**
   * Scoring worker processes of each pool: so many all the time, or as many as there is work for, from zero. Default:
   * 1.
   */
  readonly scoringWorkers?: number | 'pool';
  /** A Temporal server that somebody else runs. Default: a dev server of the stack's own. */
  readonly temporal?: OutsideTemporal;
  /** False: the servers only, for whoever starts workers of its own. Default true. */
  readonly workers?: boolean;
  /** True: the web application runs beside it. */
  readonly app?: boolean;
  /** Gives the start up: it ends as one that failed does. */
  readonly signal?: AbortSignal;
}

export interface Stack {
  /** Web UI of Temporal, where it is known. */
  readonly ui?: string;
  /** Address of the web application, where it runs. */
  readonly app?: string;
  readonly env: Env;
  /** Rejects when a server of the stack dies: nothing works without it. */
  readonly broken: Promise<never>;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;

/**
 * Starts all parts and resolves when they answer; when it rejects, what it started is gone.
 * @throws FleetscoreError `INVALID_MAPPING`, `STACK_RUNNING`,
 *   `PORT_BUSY`, `START_FAILED`, `NO_PYTHON`, `TEMPORAL_INSTALL`, `FOLDER`,
 *   `DISK_FULL`, `INTERRUPTED`
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { home } = options.config;
  // Told here, and not in the log of an ingest worker that ends again and again.
  readMapping(options.config.ingest.mapping);
  await claimHome(home, options.log);
  // What the processes write holds keys and readings.
  const mask = process.umask(0o077);
  const parts = openParts();
  let serverDied = false;
  const stop = async (failed = false): Promise<void> => {
    leaveHome(home);
    await parts.stop(failed || serverDied ? SHORT_GRACE : {});
    dropTargets(home);
    releaseHome(home);
    process.umask(mask);
  };
  try {
    const { servers, ui, app, env } = await unlessAborted(options.signal, bringUp(options, parts));
    const broken = Promise.race(
      servers.map(async ({ child }): Promise<never> => {
        const how = await child.ended;
        if (parts.ending.aborted) return new Promise(() => {});
        serverDied = true;
        leaveHome(home);
        throw new FleetscoreError(
          'SERVER_DIED',
          `${child.name} ended (${how}); the stack cannot go on without it. Its log: ${child.logFile}. Start again with \`fleetscore up\`.`,
        );
      }),
    );
    broken.catch(() => {});
    return { env, broken, stop: () => stop(), ...defined({ ui, app }) };
  } catch (error) {
    await stop(true);
    throw error;
  }
}

/** What goes on in the background after an abort starts no process any more: see {@link Parts}. */
function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (!signal) return work;
  work.catch(() => {});
  return new Promise((resolvePromise, reject) => {
    const abort = (): void =>
      reject(
        new FleetscoreError('INTERRUPTED', 'stopped before all was up: no process is left, and data stay in place.'),
      );
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    void work.then(resolvePromise, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

interface Running {
  readonly servers: readonly Server[];
  readonly ui: string | undefined;
  readonly app: string | undefined;
  readonly env: Env;
}

async function bringUp(options: StackOptions, parts: Parts): Promise<Running> {
  const { config, log } = options;
  const { home } = config;
  preparePlaces(home);
  dropTargets(home);
  const targets = config.metricsPort === undefined ? undefined : openTargets(home, log);
  const temporal = await temporalOf(options);
  const [ports, keys] = [await claimPorts(config), stackKeys(home)];
  const parted = partVariables(config, ports, keys, options.env);
  const clientEnv = { ...temporal.env, ...parted };
  const outer = withoutTemporal(options.env);
  const servers = startServers({
    config,
    ports,
    keys,
    ...defined({ temporal: temporal.own }),
    // Named by its home: whoever looks for what is left of a stack finds it by that.
    env: { ...programEnv(options.env), FLEETSCORE_HOME: home },
    timeoutMs: START_TIMEOUT_MS,
    start: (startOne) => parts.start(startOne),
  });
  // Workers start side by side, and those that score do not make tables.
  await Promise.all([migrate(config.sqlUrl), ...servers.map((server) => server.ready)]);

  // Claimed before workers start: what they write links there.
  const appPort = options.app ? await claimAppPort(config, log) : undefined;
  const appUrl = appPort === undefined || outer.FLEETSCORE_APP_URL ? {} : { FLEETSCORE_APP_URL: appAddress(appPort) };
  const env = { ...outer, ...clientEnv, ...appUrl };
  const app =
    appPort === undefined
      ? Promise.resolve(undefined)
      : startWebApplication(config, env, parts, log, appPort, START_TIMEOUT_MS);
  await startWorkers(options, parts, env, targets);

  const supervisor = refOf(process.pid);
  if (!supervisor)
    throw new Error('the start of this process cannot be read: on Linux from /proc, elsewhere by `ps`. Is it there?');
  const { ui } = temporal;
  const address = await app;
  parts.ending.throwIfAborted();
  writeStack(home, {
    supervisor,
    startedAt: new Date().toISOString(),
    env: { ...withoutSecrets(temporal.env), ...parted },
    ...(options.temporal ? { outside: true } : {}),
    ...defined({ ui, app: address }),
  });
  return { servers, ui, env, app: address };
}

/** The workers that the stack is to have: one of ingest and of control, and those that score. */
async function startWorkers(
  { config, scoringWorkers = 1, log, workers: wanted }: StackOptions,
  parts: Parts,
  env: Env,
  targets: PrometheusTargets | undefined,
): Promise<void> {
  const asPool = scoringWorkers === 'pool';
  // So many for the queue of each pool: models may name any of them.
  const queues = asPool ? [] : [...(await poolQueues(config)).values()];
  const scoring = queues.flatMap((queue) =>
    Array.from({ length: asPool ? 0 : scoringWorkers }, () => ({
      role: 'scoring',
      env: { ...env, FLEETSCORE_SCORING_QUEUE: queue },
    })),
  );
  const workers = wanted === false ? [] : [{ role: 'ingest', env }, { role: 'control', env }, ...scoring];
  const start = (role: string, i: number, own: Env): ReturnType<typeof startChild> =>
    startWorker({ config, parts, log, targets }, role, i, own);
  await Promise.all(
    workers.map((worker, i) =>
      superviseWorker(() => start(worker.role, i, worker.env), i, parts, log, START_TIMEOUT_MS),
    ),
  );
  if (!asPool) return;
  const { startScoringPools } = await import('./scoring-pool.ts');
  let nodes = workers.length;
  const pools = await startScoringPools({
    env,
    log,
    signal: parts.ending,
    timeoutMs: START_TIMEOUT_MS,
    start: (variables) => parts.start(() => start('scoring', nodes++, { ...env, ...variables })),
    ready: (worker) => untilReady(worker as ReturnType<typeof startChild>, START_TIMEOUT_MS),
  });
  parts.before(() => pools.stop());
}

/** What is ours below the home is for its user only, also in homes of earlier versions. */
function preparePlaces(home: string): void {
  needRoom(home);
  for (const name of ['data', 'logs']) {
    const folder = join(home, name);
    makeFolder(folder, PRIVATE);
    try {
      chmodSync(folder, PRIVATE);
    } catch {
      // A file system without rights, or a folder of another user who shares it: as it was before.
    }
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

interface TemporalOf {
  readonly own?: OwnTemporal;
  /** Web UI, where it is known. */
  readonly ui?: string;
  /** Settings under which clients find it and nothing else. */
  readonly env: Record<string, string>;
}

/** The server of somebody else, once it was asked whether it can be used; else where that of this stack will be. */
async function temporalOf({ config, env, log, temporal }: StackOptions): Promise<TemporalOf> {
  if (temporal) {
    const settings = outsideSettings(temporal, env);
    await checkOutside({ ...settings, ...defined({ FLEETSCORE_PAYLOAD_KEYS: env.FLEETSCORE_PAYLOAD_KEYS }) }, log);
    return { env: settings, ...defined({ ui: settings.TEMPORAL_UI_URL }) };
  }
  const program = await findTemporal(config.toolsDir, log, env);
  const ports = await claimTemporalPorts(config);
  const own = ownTemporal(config.home, `${LOOPBACK}:${ports.port}`);
  return { own: { program, ...ports, env: own }, ui: `http://${LOOPBACK}:${ports.uiPort}`, env: own };
}
