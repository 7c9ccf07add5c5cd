/**
 * A laptop stack on a Temporal server that somebody else runs. Its processes and its commands take the settings of
 * Temporal's clients that were in force when the stack started, secrets apart: those stay in the environment of whoever
 * has them, and are never written into the stack's file.
 */
import { resolve } from 'node:path';
import type { Env } from '../config.ts';
import { describeNamespace, prepareNamespace } from '../connect/namespace.ts';
import { isTemporalSetting, profileFileOf } from '../connect/temporal-settings.ts';
import { connectClient, temporalTarget } from '../connect/temporal.ts';

export interface OutsideTemporal {
  /** `host:port` of the frontend. */
  readonly address: string;
  /** Default: the one that the settings name. */
  readonly namespace?: string;
}

/** Settings that are paths: other processes have other folders. */
const PATH = /^TEMPORAL_(CONFIG_FILE|TLS_\w+_PATH)$/;

/** Settings of Temporal's clients under which a process finds this server. */
export function outsideSettings({ address, namespace }: OutsideTemporal, env: Env): Record<string, string> {
  const file = profileFileOf(env);
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries({
    ...env,
    ...(file === undefined ? {} : { TEMPORAL_CONFIG_FILE: file }),
  }))
    if (isTemporalSetting(name) && value) settings[name] = PATH.test(name) ? resolve(value) : value;
  settings.TEMPORAL_ADDRESS = address;
  settings.TEMPORAL_NAMESPACE = namespace ?? temporalTarget({ ...env, TEMPORAL_ADDRESS: address }).namespace;
  return settings;
}

/**
 * Asks the server whether it can carry a stack, and tells what it is.
 * @throws FleetscoreError what {@link prepareNamespace} and {@link connectClient} throw
 */
export async function checkOutside(settings: Env, log: (line: string) => void): Promise<void> {
  const client = await connectClient(settings);
  try {
    const look = await prepareNamespace(client);
    log(`${settings.TEMPORAL_ADDRESS}, namespace ${settings.TEMPORAL_NAMESPACE}: ${describeNamespace(look)}`);
  } finally {
    await client.connection.close();
  }
}
