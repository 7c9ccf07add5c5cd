/** The store in one SQLite file, shared by the processes of one machine. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { FleetscoreError } from '../../domain/errors.ts';
import { makeFolder } from '../folders.ts';
import type { Store } from '../store.ts';
import { alarmMethods } from './alarms.ts';
import { alarmWorkMethods } from './alarm-work.ts';
import { noticeMethods } from './notices.ts';
import { auditMethods } from './audit.ts';
import { batchMethods } from './batches.ts';
import { challengeMethods } from './challenges.ts';
import { connect } from './connection.ts';
import { fileMethods } from './file.ts';
import { droppedMethods } from './dropped.ts';
import { ingestMethods } from './ingest.ts';
import { outcomeMethods } from './outcomes.ts';
import { pruneMethods } from './prune.ts';
import { promotionMethods } from './promotions.ts';
import { releaseMethods } from './releases.ts';
import { checkSchema, schemaMethods } from './schema.ts';
import { retiredMethods } from './retired.ts';
import { sensorMethods } from './sensors.ts';
import { windowMethods } from './windows.ts';

/**
 * Opens the file at `path`; with `create` it is made, with its folder, when missing. Does not migrate.
 * @throws FleetscoreError `STORE_MISSING`, `STORE_ERROR`, `SCHEMA_TOO_NEW`
 */
export async function openSqliteStore(path: string, create: boolean, cacheMiB?: number): Promise<Store> {
  const file = path === ':memory:' ? path : resolve(path);
  if (file !== ':memory:' && !existsSync(file)) {
    if (!create)
      throw new FleetscoreError(
        'STORE_MISSING',
        `There is no SQLite store at ${file}. Start the laptop stack (\`fleetscore up\`), name another file ` +
          `or home, or run \`fleetscore db migrate\` to create it.`,
      );
    makeFolder(dirname(file));
  }
  const db = await connect(file, cacheMiB);
  try {
    await checkSchema(db);
  } catch (error) {
    db.close();
    throw error;
  }
  return {
    engine: 'sqlite',
    ...schemaMethods(db),
    ...sensorMethods(db),
    ...retiredMethods(db),
    ...ingestMethods(db),
    ...droppedMethods(db),
    ...windowMethods(db),
    ...releaseMethods(db),
    ...promotionMethods(db),
    ...batchMethods(db),
    ...outcomeMethods(db),
    ...challengeMethods(db),
    ...alarmMethods(db),
    ...alarmWorkMethods(db),
    ...noticeMethods(db),
    ...auditMethods(db),
    ...pruneMethods(db),
    ...fileMethods(db),
    close: async () => db.close(),
  };
}
