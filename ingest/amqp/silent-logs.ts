/**
 * The client's libraries log every event in some twelve places, and what would be logged becomes an array before
 * anybody sees that nobody wants it: a twelfth of the garbage of receiving. Logs that are off become functions that do
 * nothing. With `DEBUG=rhea*` at the start they are on, as ever.
 */
import { createRequire } from 'node:module';

type Logs = Record<string, unknown>;

/** Returns false when the client is built differently than expected; what is known of it is done. */
export function silenceLogs(modules = logsOfClient()): boolean {
  for (const logs of modules)
    for (const [name, write] of Object.entries(logs))
      if (isLog(write) && !write.enabled) logs[name] = Object.assign(() => {}, write);
  return modules.length === MODULES;
}

/** Of rhea-promise, and of rhea. */
const MODULES = 2;

/** Modules whose exports are logs by their name. */
export function logsOfClient(): readonly Logs[] {
  try {
    const sdk = createRequire(createRequire(import.meta.url).resolve('@azure/event-hubs'));
    const promises = createRequire(sdk.resolve('rhea-promise'));
    const rhea = createRequire(promises.resolve('rhea'));
    return [promises('./log.js'), rhea('./log.js')].filter(isLogs);
  } catch {
    return [];
  }
}

/** `enabled` of a log that is off is false, or empty where `DEBUG` is not set. */
const isLog = (write: unknown): write is { readonly enabled: unknown } =>
  typeof write === 'function' && 'enabled' in write;

const isLogs = (module: unknown): module is Logs =>
  typeof module === 'object' && module !== null && Object.values(module).some(isLog);
