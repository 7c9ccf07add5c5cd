/**
 * Connections to Temporal, from the standard TEMPORAL_* variables and temporal.toml profiles. The SDK's halves
 * are loaded when one is opened: commands that do not need them start faster.
 */
import type { Client, ConnectionOptions } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnection, NativeConnectionOptions } from '@temporalio/worker';
import type { Env } from '../config.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';

export interface TemporalTarget {
  readonly address: string;
  readonly namespace: string;
}

interface Resolved extends TemporalTarget {
  readonly options: ConnectionOptions;
}

function resolveTarget(env: Env): Resolved {
  const overrideEnvVars = Object.fromEntries(Object.entries(env).filter((e): e is [string, string] => e[1] !== undefined));
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars });
    const address = connectionOptions.address ?? 'localhost:7233';
    return { address, namespace: namespace ?? 'default', options: { ...connectionOptions, address } as ConnectionOptions };
  } catch (error) {
    throw new FleetscoreError('INVALID_CONFIG', `the Temporal configuration cannot be read: ${messageOf(error)}. Check the TEMPORAL_* variables and temporal.toml.`, { cause: error });
  }
}

export function temporalTarget(env: Env): TemporalTarget {
  const { address, namespace } = resolveTarget(env);
  return { address, namespace };
}

/** @throws FleetscoreError `TEMPORAL_UNAVAILABLE` */
export async function connectClient(env: Env): Promise<Client> {
  const { address, namespace, options } = resolveTarget(env);
  const { Client, Connection } = await import('@temporalio/client');
  try {
    return new Client({ connection: await Connection.connect({ ...options, connectTimeout: '5s' }), namespace });
  } catch (error) {
    throw unavailable(address, error);
  }
}

/** @throws FleetscoreError `TEMPORAL_UNAVAILABLE` */
export async function connectWorker(env: Env): Promise<{ connection: NativeConnection; namespace: string }> {
  const { address, namespace, options } = resolveTarget(env);
  const { NativeConnection } = await import('@temporalio/worker');
  try {
    return { connection: await NativeConnection.connect(options as NativeConnectionOptions), namespace };
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
