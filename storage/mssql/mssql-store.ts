/** The store in SQL Server or Azure SQL, shared by any number of machines. */
import { FleetscoreError } from '../../domain/errors.ts';
import type { Store } from '../store.ts';
import { alarmMethods } from './alarms.ts';
import { alarmWorkMethods } from './alarm-work.ts';
import { noticeMethods } from './notices.ts';
import { auditMethods } from './audit.ts';
import { batchMethods } from './batches.ts';
import { challengeMethods } from './challenges.ts';
import { connect, FIRST_CONNECTION, type Database } from './connection.ts';
import { droppedMethods } from './dropped.ts';
import { ingestMethods } from './ingest.ts';
import { outcomeMethods } from './outcomes.ts';
import { pruneMethods } from './prune.ts';
import { promotionMethods } from './promotions.ts';
import { releaseMethods } from './releases.ts';
import { checkSchema, schemaMethods, serverAdvice } from './schema.ts';
import { retiredMethods } from './retired.ts';
import { sensorMethods } from './sensors.ts';
import { windowMethods } from './windows.ts';
import { defined } from '../../domain/defined.ts';

/**
 * Connects to a server by connection string or `mssql://` URL. Does not migrate.
 * @throws FleetscoreError `STORE_URL_INVALID`, `STORE_UNAVAILABLE`, `STORE_ERROR`, `SCHEMA_TOO_NEW`
 */
export async function openMssqlStore(
  url: string,
  { waitMs, onWait }: { readonly waitMs?: number; readonly onWait?: (text: string) => void } = {},
): Promise<Store> {
  const db = await connect(url, {
    ...FIRST_CONNECTION,
    ...defined({ forMs: waitMs }),
    ...(onWait ? { onWait } : {}),
  });
  try {
    await checkSchema(db);
  } catch (error) {
    await db.close();
    throw error;
  }
  return storeOn(db);
}

/** The store over an open connection. */
export function storeOn(db: Database): Store {
  return {
    engine: 'mssql',
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
    backup: async () => {
      throw new FleetscoreError(
        'NOT_SUPPORTED',
        'a SQL Server store is backed up by its server: Azure SQL keeps restore points by itself, elsewhere ' +
          'use BACKUP DATABASE.',
      );
    },
    room: async () => undefined,
    advice: () => serverAdvice(db),
    close: () => db.close(),
  };
}
