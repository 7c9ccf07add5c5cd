/**
 * The servers of the laptop stack on their ports: Temporal, Blob storage, Event Hubs. What they store lies under
 * `{home}/data`; each has a log of its own.
 */
import { join } from 'node:path';
import type { Config, Env } from '../config.ts';
import { connectClient } from '../connect/temporal.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { codeFile } from '../paths.ts';
import { needsImport } from './blob-server/azurite-import.ts';
import { guarded, startChild, untilAnswers, untilReady, type StackChild } from './child.ts';
import { diskFull, LEAST_ROOM, makeFolder, PRIVATE, roomAt } from '../storage/folders.ts';
import { BLOB_KEY, EVENT_HUBS_KEY, type StackKeys } from './keys.ts';
import { OWN_NAMESPACE } from './own-temporal.ts';
import type { Parts } from './parts.ts';
import { claimPort } from './ports.ts';
import { LOOPBACK } from '../domain/loopback.ts';
import { HOUR_MS } from '../domain/time.ts';

/** Of the servers that a stack starts: without a Temporal of its own it has no port for it. */
export type Ports = Pick<Config['ports'], 'blob' | 'eventHubs'>;

/** A Temporal dev server of the stack's own. */
export interface OwnTemporal {
  /** Path of the `temporal` program. */
  readonly program: string;
  readonly port: number;
  readonly uiPort: number;
  /** How a client finds it. */
  readonly env: Env;
}

export interface Server {
  readonly child: StackChild;
  /** Rejects with `START_FAILED` or `DISK_FULL`. */
  readonly ready: Promise<void>;
}

export interface ServerOptions {
  readonly config: Config;
  readonly ports: Ports;
  readonly keys: StackKeys;
  /** Absent: somebody else runs one. */
  readonly temporal?: OwnTemporal;
  /** Of the processes: no settings of Temporal's clients, no secrets. */
  readonly env: Env;
  /** Longest wait for a server to answer. */
  readonly timeoutMs: number;
  /** Starts a process that ends with the stack. */
  readonly start: Parts['start'];
}

/** As long as copying some hundreds of thousands of blobs may take. */
const IMPORT_TIMEOUT_MS = HOUR_MS;

/** @throws FleetscoreError `PORT_BUSY` */
export async function claimPorts(config: Config): Promise<Ports> {
  const { ports } = config;
  return {
    blob: await claimPort(ports.blob, 'Blob storage', 'FLEETSCORE_BLOB_PORT'),
    eventHubs: await claimPort(ports.eventHubs, 'the Event Hubs emulator', 'FLEETSCORE_EVENT_HUBS_PORT'),
  };
}

/** @throws FleetscoreError `PORT_BUSY` */
export async function claimTemporalPorts({ ports }: Config): Promise<Pick<OwnTemporal, 'port' | 'uiPort'>> {
  return {
    port: await claimPort(ports.temporal, 'Temporal', 'FLEETSCORE_TEMPORAL_PORT'),
    uiPort: await claimPort(ports.ui, "Temporal's Web UI", 'FLEETSCORE_UI_PORT'),
  };
}

export function startServers(options: ServerOptions): Server[] {
  const own = options.temporal ? [startTemporal(options, options.temporal)] : [];
  return [...own, startBlobs(options), startEventHubs(options)];
}

const logFile = ({ config }: ServerOptions, name: string): string => join(config.home, 'logs', `${name}.log`);

function startTemporal(options: ServerOptions, temporal: OwnTemporal): Server {
  const { config, env, timeoutMs, start } = options;
  const child = start(() =>
    startChild(
      guarded({
        name: 'Temporal',
        command: temporal.program,
        // A profile of the person who starts it is for other servers.
        env: { ...env, ...temporal.env },
        logFile: logFile(options, 'temporal'),
        args: [
          'server',
          'start-dev',
          '--ip',
          LOOPBACK,
          '--port',
          String(temporal.port),
          '--ui-port',
          String(temporal.uiPort),
          '--ui-ip',
          LOOPBACK,
          '--db-filename',
          join(config.home, 'data', 'temporal.db'),
          '--log-level',
          'error',
          '--ui-disable-news-fetch',
          // The default writes through at every step and is five times slower; WAL loses nothing when a process dies.
          '--sqlite-pragma',
          'journal_mode=WAL',
          '--sqlite-pragma',
          'synchronous=NORMAL',
          // One process serves every queue: four partitions of each would only pass tasks on to each other (a seventh
          // of its CPU).
          '--dynamic-config-value',
          'matching.numTaskqueueReadPartitions=1',
          '--dynamic-config-value',
          'matching.numTaskqueueWritePartitions=1',
          // Workflows that it keeps in memory, also those that have ended: 128,000 by default, which an hour of 60
          // children a minute feels (+60 %, `npm run soak`). What runs at once fits: a batch has at most 500 children.
          '--dynamic-config-value',
          'history.hostLevelCacheMaxSize=2000',
        ],
      }),
    ),
  );
  return {
    child,
    ready: storing(
      options,
      untilAnswers(child, () => temporalAnswers(temporal.env), timeoutMs),
    ),
  };
}

function startBlobs(options: ServerOptions): Server {
  const { config, ports, keys, env, timeoutMs, start } = options;
  const blobs = join(config.home, 'data', 'blobs');
  const azurite = join(config.home, 'data', 'azurite');
  // Homes of earlier versions: their blobs are copied before the server answers.
  const readyMs = needsImport(azurite, blobs) ? IMPORT_TIMEOUT_MS : timeoutMs;
  const child = start(() =>
    startChild({
      name: 'Blob server',
      file: codeFile('local/blob-server/main'),
      env: { ...env, [BLOB_KEY]: keys.blob },
      logFile: logFile(options, 'blob'),
      args: ['--port', String(ports.blob), '--data', blobs, '--azurite', azurite],
    }),
  );
  return { child, ready: storing(options, untilReady(child, readyMs)) };
}

function startEventHubs(options: ServerOptions): Server {
  const { config, ports, keys, env, timeoutMs, start } = options;
  const data = join(config.home, 'data', 'event-hubs');
  const hubs = ['--hub', config.eventHubs.hub, '--partitions', '4', '--alarms', config.alarmsHub];
  makeFolder(data, PRIVATE);
  const child = start(() =>
    startChild({
      name: 'Event Hubs emulator',
      file: codeFile('local/event-hubs/main'),
      env: { ...env, [EVENT_HUBS_KEY]: keys.eventHubs },
      logFile: logFile(options, 'event-hubs'),
      args: ['--port', String(ports.eventHubs), '--data', data, ...hubs],
    }),
  );
  return { child, ready: storing(options, untilReady(child, timeoutMs)) };
}

/** A server that does not start may have run out of room; only else is what it stored in doubt. */
function storing({ config }: ServerOptions, ready: Promise<void>): Promise<void> {
  const data = join(config.home, 'data');
  const told = ready.catch((error: unknown) => {
    const room = roomAt(data);
    if (room !== undefined && room < LEAST_ROOM) throw diskFull(data, error);
    if (/EADDRINUSE|address already in use/.test(messageOf(error)))
      throw new FleetscoreError(
        'PORT_BUSY',
        `${messageOf(error)}. Another program took the port at the same moment: start again.`,
        { cause: error },
      );
    throw new FleetscoreError(
      'START_FAILED',
      `${messageOf(error)}. Should what it stored be damaged (a lost machine, a broken disk), delete ${data} to begin anew: readings, predictions and history in it are gone then.`,
      { cause: error },
    );
  });
  // Another server may fail first: then nobody waits for this one.
  told.catch(() => {});
  return told;
}

async function temporalAnswers(env: Env): Promise<boolean> {
  const client = await connectClient(env);
  try {
    await client.workflowService.describeNamespace({ namespace: OWN_NAMESPACE });
    return true;
  } finally {
    await client.connection.close();
  }
}
