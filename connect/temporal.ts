/**
 * Connections to Temporal, from the standard TEMPORAL_* variables and temporal.toml profiles. The SDK's halves
 * are loaded when one is opened: commands that do not need them start faster.
 */
import type { Client, ConnectionOptions } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnection, NativeConnectionOptions } from '@temporalio/worker';
import type { Env } from '../config.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { parsePayloadKeys } from '../payloads/keys.ts';
import type { WorkerConverter } from '../payloads/data-converter.ts';
import { withinLimit } from '../storage/deadline.ts';

export interface TemporalTarget {
  readonly address: string;
  readonly namespace: string;
}

interface Resolved extends TemporalTarget {
  readonly options: ConnectionOptions;
}

function resolveTarget(env: Env): Resolved {
  const overrideEnvVars = Object.fromEntries(
    Object.entries(env).filter((e): e is [string, string] => e[1] !== undefined),
  );
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars });
    const address = connectionOptions.address ?? 'localhost:7233';
    return {
      address,
      namespace: namespace ?? 'default',
      options: { ...connectionOptions, address } as ConnectionOptions,
    };
  } catch (error) {
    throw new FleetscoreError(
      'INVALID_CONFIG',
      `the Temporal configuration cannot be read: ${messageOf(error)}. Check the TEMPORAL_* variables and temporal.toml.`,
      { cause: error },
    );
  }
}

export function temporalTarget(env: Env): TemporalTarget {
  const { address, namespace } = resolveTarget(env);
  return { address, namespace };
}

/** Longest time of one call, its retries included. Calls that wait for something are answered by the server within 20 s. */
const ANSWER_MS = 60_000;

/** Without a deadline a call waits as long as its connection stands, even for a server that answers no more. */
function withDeadline(answerMs: number): NonNullable<ConnectionOptions['interceptors']>[number] {
  // The next one in the chain hands back what an interceptor has to: its type only says less.
  type Call = ReturnType<NonNullable<ConnectionOptions['interceptors']>[number]>;
  return (options, next) => next({ ...options, deadline: options.deadline ?? Date.now() + answerMs }) as Call;
}

/** Encrypts and decrypts with the keys of `env`. @throws FleetscoreError `TEMPORAL_UNAVAILABLE`, `INVALID_PAYLOAD_KEYS` */
export async function connectClient(env: Env, answerMs: number = ANSWER_MS): Promise<Client> {
  const { address, namespace, options } = resolveTarget(env);
  const keys = parsePayloadKeys(env.FLEETSCORE_PAYLOAD_KEYS);
  const [{ Client, Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor }, { clientConverter }] =
    await Promise.all([import('@temporalio/client'), import('../payloads/data-converter.ts')]);
  try {
    return new Client({
      connection: await Connection.connect({
        ...options,
        connectTimeout: '5s',
        interceptors: [
          withDeadline(answerMs),
          ...(options.interceptors ?? [makeGrpcRetryInterceptor(defaultGrpcRetryOptions())]),
        ],
      }),
      namespace,
      dataConverter: clientConverter(keys),
    });
  } catch (error) {
    throw unavailable(address, error);
  }
}

/** A worker that cannot connect says so, rather than stand there. */
const CONNECT_MS = 30_000;

export interface WorkerConnection extends WorkerConverter {
  readonly connection: NativeConnection;
  readonly namespace: string;
}

/** A worker on this connection takes its `dataConverter`. @throws FleetscoreError `TEMPORAL_UNAVAILABLE`, `INVALID_PAYLOAD_KEYS` */
export async function connectWorker(env: Env): Promise<WorkerConnection> {
  const { address, namespace, options } = resolveTarget(env);
  const keys = parsePayloadKeys(env.FLEETSCORE_PAYLOAD_KEYS);
  const [{ NativeConnection }, { workerConverter }] = await Promise.all([
    import('@temporalio/worker'),
    import('../payloads/data-converter.ts'),
  ]);
  try {
    return {
      connection: await withinLimit(CONNECT_MS, () => NativeConnection.connect(options as NativeConnectionOptions)),
      namespace,
      ...workerConverter(keys),
    };
  } catch (error) {
    throw unavailable(address, error);
  }
}

function unavailable(address: string, cause: unknown): FleetscoreError {
  return new FleetscoreError(
    'TEMPORAL_UNAVAILABLE',
    `no Temporal server answers at ${address} (${messageOf(cause)}). Start the laptop stack with \`fleetscore up\`, or set TEMPORAL_ADDRESS.`,
    { retryable: true, cause },
  );
}
