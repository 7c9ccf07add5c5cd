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

/** Encrypts and decrypts with the keys of `env`. @throws FleetscoreError `TEMPORAL_UNAVAILABLE`, `INVALID_PAYLOAD_KEYS` */
export async function connectClient(env: Env): Promise<Client> {
  const { address, namespace, options } = resolveTarget(env);
  const keys = parsePayloadKeys(env.FLEETSCORE_PAYLOAD_KEYS);
  const [{ Client, Connection }, { clientConverter }] = await Promise.all([
    import('@temporalio/client'),
    import('../payloads/data-converter.ts'),
  ]);
  try {
    return new Client({
      connection: await Connection.connect({ ...options, connectTimeout: '5s' }),
      namespace,
      dataConverter: clientConverter(keys),
    });
  } catch (error) {
    throw unavailable(address, error);
  }
}

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
      connection: await NativeConnection.connect(options as NativeConnectionOptions),
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
