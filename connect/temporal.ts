/**
 * Connections to Temporal, from the standard TEMPORAL_* variables and temporal.toml profiles. The SDK's halves
 * are loaded when one is opened: commands that do not need them start faster.
 */
import { existsSync } from 'node:fs';
import type { Client, Connection as ClientConnection, ConnectionOptions } from '@temporalio/client';
import { loadClientConfigProfile, toClientOptions, type ClientConfigProfile } from '@temporalio/envconfig';
import type { NativeConnection, NativeConnectionOptions } from '@temporalio/worker';
import type { Env } from '../config.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { parsePayloadKeys } from '../payloads/keys.ts';
import type { WorkerConverter } from '../payloads/data-converter.ts';
import { withinLimit } from '../storage/deadline.ts';
import { lastingConnection, type LastingTimes } from './lasting-connection.ts';
import { isNobodyHere, probe as probeAddress, type ProbeTarget } from './temporal-probe.ts';
import { profileFileOf, temporalSettings } from './temporal-settings.ts';
import { notConnected } from './temporal-trouble.ts';

export interface TemporalTarget {
  readonly address: string;
  readonly namespace: string;
}

interface Resolved extends TemporalTarget {
  readonly options: ConnectionOptions;
  readonly probe: ProbeTarget;
  readonly named: boolean;
}

/** @throws FleetscoreError `INVALID_CONFIG` */
function resolveTarget(env: Env): Resolved {
  const overrideEnvVars = Object.fromEntries(
    Object.entries(env).filter((e): e is [string, string] => e[1] !== undefined),
  );
  const wrong = (why: string, cause?: unknown): FleetscoreError =>
    new FleetscoreError(
      'INVALID_CONFIG',
      `the Temporal configuration cannot be used: ${why}. In use: ${temporalSettings(env).join(', ') || 'no setting'}.`,
      { cause },
    );
  // The SDK goes on without a file that is named and missing: to another server.
  const file = env.TEMPORAL_CONFIG_FILE;
  if (file && !existsSync(file)) throw wrong(`TEMPORAL_CONFIG_FILE names ${file}, which is not there`);
  const noFile = profileFileOf(env) === undefined;
  if (noFile && env.TEMPORAL_PROFILE)
    throw wrong(`TEMPORAL_PROFILE names ${env.TEMPORAL_PROFILE}, and there is no profile of that name`);
  let profile: ClientConfigProfile;
  let options: ConnectionOptions;
  try {
    profile = loadClientConfigProfile({ overrideEnvVars, disableFile: noFile });
    options = toClientOptions(profile).connectionOptions;
  } catch (error) {
    throw wrong(messageOf(error).replace(/\.$/, ''), error);
  }
  const { tls } = profile;
  // The SDK leaves out a half of a pair, and the server then misses the other.
  if (tls && !tls.disabled && (tls.clientCert === undefined) !== (tls.clientKey === undefined))
    throw wrong(
      tls.clientCert === undefined
        ? 'it has the key of a client certificate but not the certificate; set TEMPORAL_TLS_CLIENT_CERT_PATH'
        : 'it has a client certificate but not its key; set TEMPORAL_TLS_CLIENT_KEY_PATH',
    );
  const address = options.address ?? 'localhost:7233';
  return {
    address,
    namespace: profile.namespace ?? 'default',
    options: { ...options, address },
    probe: { address, ...tlsOf(options) },
    named: options.address !== undefined,
  };
}

function tlsOf({ tls }: ConnectionOptions): Pick<ProbeTarget, 'tls'> {
  if (!tls) return {};
  if (tls === true) return { tls: {} };
  const { serverNameOverride, serverRootCACertificate, clientCertPair } = tls;
  return {
    tls: {
      ...(serverNameOverride ? { serverName: serverNameOverride } : {}),
      ...(serverRootCACertificate ? { ca: serverRootCACertificate } : {}),
      ...(clientCertPair ? { cert: clientCertPair.crt, key: clientCertPair.key } : {}),
    },
  };
}

/** Whether a variable or a profile names a server; without one the SDK means localhost:7233, whoever listens there. */
export const namesServer = (env: Env): boolean => resolveTarget(env).named;

export function temporalTarget(env: Env): TemporalTarget {
  const { address, namespace } = resolveTarget(env);
  return { address, namespace };
}

/**
 * Longest time of one call, its retries included. Calls that wait for something are answered by the server within 20 s.
 */
const ANSWER_MS = 60_000;

/**
 * A dead connection is noticed within 20 s; the SDK's own times are 30 s and 15 s. Temporal's frontend refuses
 * questions that come more often than every 10 s (`frontend.keepAliveMinTime`).
 */
const CHANNEL = {
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.keepalive_time_ms': 15_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // Otherwise a fresh connection shares the one that is stuck (lasting-connection.ts).
  'grpc.use_local_subchannel_pool': 1,
};

/** Without a deadline a call waits as long as its connection stands, even for a server that answers no more. */
function withDeadline(answerMs: number): NonNullable<ConnectionOptions['interceptors']>[number] {
  // The next one in the chain hands back what an interceptor has to: its type only says less.
  type Call = ReturnType<NonNullable<ConnectionOptions['interceptors']>[number]>;
  return (options, next) => next({ ...options, deadline: options.deadline ?? Date.now() + answerMs }) as Call;
}

/**
 * Encrypts and decrypts with the keys of `env`. @throws FleetscoreError `TEMPORAL_UNAVAILABLE`, `TEMPORAL_TLS`,
 * `TEMPORAL_REFUSED`, `INVALID_CONFIG`, `INVALID_PAYLOAD_KEYS`
 */
export async function connectClient(env: Env, answerMs: number = ANSWER_MS, times?: LastingTimes): Promise<Client> {
  const { namespace, options, probe } = resolveTarget(env);
  const keys = parsePayloadKeys(env.FLEETSCORE_PAYLOAD_KEYS);
  const [{ Client, Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor }, { clientConverter }] =
    await Promise.all([import('@temporalio/client'), import('../payloads/data-converter.ts')]);
  const open = (): Promise<ClientConnection> =>
    Connection.connect({
      ...options,
      connectTimeout: '5s',
      channelArgs: CHANNEL,
      interceptors: [
        withDeadline(answerMs),
        ...(options.interceptors ?? [makeGrpcRetryInterceptor(defaultGrpcRetryOptions())]),
      ],
    });
  try {
    return new Client({
      connection: lastingConnection(await open(), { open, reachable: () => reachable(probe) }, times),
      namespace,
      dataConverter: clientConverter(keys),
    });
  } catch (error) {
    throw await notConnected(probe, env, error);
  }
}

/**
 * As {@link connectClient}, for who looks and has nothing to wait for: a server of this machine that is not there is
 * told at once, not after the five seconds in which one may come.
 */
export async function connectIfThere(env: Env, answerMs?: number): Promise<Client> {
  const { address, probe } = resolveTarget(env);
  if (await isNobodyHere(address)) throw await notConnected(probe, env, new Error('nobody listens there'));
  return connectClient(env, answerMs);
}

const reachable = async (target: ProbeTarget): Promise<boolean> => (await probeAddress(target)) === undefined;

/** A worker that cannot connect says so, rather than stand there. */
const CONNECT_MS = 30_000;
/** A server that was just answered over a fresh connection. */
const AGAIN_MS = 10_000;

export interface TemporalConnection {
  readonly connection: NativeConnection;
  readonly namespace: string;
  /** Another connection to the same server, its caller's to close. */
  again(): Promise<NativeConnection>;
  /** Whether the address answers as a server of gRPC, asked over a connection of its own. */
  reachable(): Promise<boolean>;
}

export interface WorkerConnection extends TemporalConnection, WorkerConverter {}

/**
 * A worker on this connection takes its `dataConverter`. @throws FleetscoreError `TEMPORAL_UNAVAILABLE`,
 * `TEMPORAL_TLS`, `TEMPORAL_REFUSED`, `INVALID_CONFIG`, `INVALID_PAYLOAD_KEYS`
 */
export async function connectWorker(env: Env): Promise<WorkerConnection> {
  const { namespace, options, probe } = resolveTarget(env);
  const keys = parsePayloadKeys(env.FLEETSCORE_PAYLOAD_KEYS);
  const [{ NativeConnection }, { workerConverter }] = await Promise.all([
    import('@temporalio/worker'),
    import('../payloads/data-converter.ts'),
  ]);
  const open = (limitMs: number): Promise<NativeConnection> =>
    withinLimit(limitMs, () => NativeConnection.connect(options as NativeConnectionOptions));
  try {
    return {
      connection: await open(CONNECT_MS),
      namespace,
      again: () => open(AGAIN_MS),
      reachable: () => reachable(probe),
      ...workerConverter(keys),
    };
  } catch (error) {
    throw await notConnected(probe, env, error);
  }
}
