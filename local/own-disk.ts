/** Room of the disk that the servers of a running laptop stack write to: Temporal, Blob and Event Hubs emulator. */
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { needRoom, roomAt } from '../storage/folders.ts';
import { readStack } from './state.ts';

/**
 * Bytes that are free; undefined where no stack of this home runs, or the system does not say.
 * @throws FleetscoreError `DISK_FULL` when its servers cannot save what they are sent
 */
export function ownRoom(home: string): number | undefined {
  if (!readStack(home)) return undefined;
  const data = join(home, 'data');
  needRoom(data);
  return roomAt(data);
}

/** Whether Blob is that of the running stack of this home. */
export function isOwnBlob(home: string, blob: Config['blob']): boolean {
  const own = readStack(home)?.env['FLEETSCORE_BLOB_CONNECTION_STRING'];
  return blob !== undefined && 'connectionString' in blob && own === blob.connectionString;
}
