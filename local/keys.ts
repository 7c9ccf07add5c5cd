/**
 * Keys of the laptop stack's own servers: random, made once for a home, readable by its user only. The well-known keys
 * of the emulators would let in any page that a browser of this machine shows and any user who has an account on it.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { folderProblem, makeFolder, PRIVATE } from '../storage/folders.ts';
import { writeWholeSync } from '../storage/whole-file.ts';

export interface StackKeys {
  /** Of the Blob account, base64 of 64 bytes, as the service has them. */
  readonly blob: string;
  /** Of the Event Hubs policy, base64 of 32 bytes, as the service has them. */
  readonly eventHubs: string;
}

/** Variables by which the servers of a stack are told their keys: arguments can be read by everybody. */
export const EVENT_HUBS_KEY = 'FLEETSCORE_EMULATOR_KEY';
export const BLOB_KEY = 'FLEETSCORE_BLOB_SERVER_KEY';

/**
 * The keys of this home; made when it has none yet, which does not touch what its servers store.
 * @throws FleetscoreError `STACK_KEYS`, `FOLDER`, `DISK_FULL`
 */
export function stackKeys(home: string): StackKeys {
  const file = join(home, 'data', 'keys.json');
  const known = readKeys(file);
  if (known) return known;
  const keys: StackKeys = {
    blob: randomBytes(64).toString('base64'),
    eventHubs: randomBytes(32).toString('base64'),
  };
  makeFolder(join(home, 'data'), PRIVATE);
  try {
    writeWholeSync(file, JSON.stringify(keys), 0o600);
  } catch (error) {
    throw folderProblem(file, error);
  }
  return keys;
}

function readKeys(file: string): StackKeys | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw folderProblem(file, error);
  }
  try {
    const { blob, eventHubs } = JSON.parse(text) as Partial<StackKeys>;
    if (typeof blob === 'string' && blob !== '' && typeof eventHubs === 'string' && eventHubs !== '')
      return { blob, eventHubs };
    throw new Error('a key is missing');
  } catch (error) {
    throw new FleetscoreError(
      'STACK_KEYS',
      `${file} cannot be used (${messageOf(error)}). Delete it: the next start makes new keys, and the data stay.`,
      { cause: error },
    );
  }
}
