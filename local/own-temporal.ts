/**
 * The laptop stack, its workers and its commands know only their own Temporal server. Whoever uses Temporal for other
 * work has TEMPORAL_* variables or a temporal.toml with another address, a key and TLS: none of that may get in.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Env } from '../config.ts';
import { isTemporalSetting } from '../connect/temporal-settings.ts';
import { folderProblem } from '../storage/folders.ts';

export const OWN_NAMESPACE = 'default';

/** `env` without any setting of Temporal's own clients. */
export const withoutTemporal = (env: Env): Env =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !isTemporalSetting(name)));

const SECRET = /^TEMPORAL_(API_KEY|TLS_CLIENT_KEY_DATA|GRPC_META_\w+)$/;

/** Settings of Temporal's clients that may be written into a file. */
export const withoutSecrets = (settings: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(settings).filter(([name]) => !SECRET.test(name)));

/** The others, from the environment of a command. */
export const temporalSecrets = (env: Env): Env =>
  Object.fromEntries(Object.entries(env).filter(([name, value]) => SECRET.test(name) && value));

/**
 * Variables under which every Temporal client finds this server and nothing else. The file they name has the same in
 * it, so that the `temporal` command finds it too: `temporal --config-file {home}/temporal.toml workflow list`.
 */
export function ownTemporal(home: string, address: string): Record<string, string> {
  const file = join(home, 'temporal.toml');
  try {
    writeFileSync(file, `[profile.default]\naddress = "${address}"\nnamespace = "${OWN_NAMESPACE}"\n`, { mode: 0o600 });
  } catch (error) {
    throw folderProblem(file, error);
  }
  return { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: OWN_NAMESPACE, TEMPORAL_CONFIG_FILE: file };
}
