/** Which settings of Temporal's own clients there are, as people know them: TEMPORAL_* variables, temporal.toml. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Env } from '../config.ts';

export const isTemporalSetting = (name: string): boolean => name.startsWith('TEMPORAL_');

/** Names of the variables that are set, and the path of the file when it has profiles. */
export function temporalSettings(env: Env): string[] {
  const variables = Object.keys(env).filter(
    (name) => isTemporalSetting(name) && name !== 'TEMPORAL_CONFIG_FILE' && env[name],
  );
  const file = profileFileOf(env);
  return [...variables.sort(), ...(file === undefined ? [] : [file])];
}

/** The configuration file that Temporal's clients read, when there is one. */
function configFileOf(env: Env): string | undefined {
  const named = env.TEMPORAL_CONFIG_FILE;
  if (named) return named;
  const folder = settingsFolder(env);
  const file = folder === undefined ? undefined : join(folder, 'temporalio', 'temporal.toml');
  return file !== undefined && existsSync(file) ? file : undefined;
}

/** Where programs of the platform keep their settings. */
function settingsFolder(env: Env): string | undefined {
  const home = env.HOME || homedir();
  if (process.platform === 'win32') return env.APPDATA;
  if (process.platform === 'darwin') return join(home, 'Library', 'Application Support');
  return env.XDG_CONFIG_HOME || join(home, '.config');
}

/**
 * The configuration file, when there is a profile in it. Without any, such as in an empty file, @temporalio/envconfig
 * 1.24 throws a TypeError.
 */
export function profileFileOf(env: Env): string | undefined {
  const file = configFileOf(env);
  try {
    return file !== undefined && /^\s*\[?\s*["']?profile\b/m.test(readFileSync(file, 'utf8')) ? file : undefined;
  } catch {
    // Whoever uses it says what is wrong with it.
    return file;
  }
}
