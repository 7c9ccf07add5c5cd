/**
 * What does not change about a batch once it is planned: its key, its release, how far its sensors go, its challenger.
 * Activities ask for it several times each, and a round trip to a database in the cloud costs more than scoring a
 * sensor. Its status is not among it: whoever writes looks at that under a lock.
 */
import { LRUCache } from 'lru-cache';
import type { BatchRow } from '../batch-rows.ts';
import { batchUnknown } from '../failures.ts';
import { BATCH_SQL } from './batch-sql.ts';
import type { Database, Session } from './connection.ts';

export type PlannedBatch = Pick<BatchRow, 'batchKey' | 'releaseKey' | 'listed' | 'maxSensorId' | 'planned'>;

/** Batches that are remembered; more do not run at once. */
const MOST = 100;

const known = new WeakMap<Database, LRUCache<string, PlannedBatch>>();

interface Challenger {
  readonly release: string;
  readonly share: number;
}

const challengers = new WeakMap<PlannedBatch, { readonly found: Challenger | undefined }>();

/** The release that a batch scores beside its own. @param find asks the store; its answer is remembered */
export async function challengerOf(
  batch: PlannedBatch,
  find: () => Promise<Challenger | undefined>,
): Promise<Challenger | undefined> {
  const kept = challengers.get(batch) ?? { found: await find() };
  if (batch.releaseKey > 0) challengers.set(batch, kept);
  return kept.found;
}

/** @throws FleetscoreError `BATCH_UNKNOWN` */
export async function plannedBatch(db: Database, session: Session, id: string): Promise<PlannedBatch> {
  let batches = known.get(db);
  if (!batches) known.set(db, (batches = new LRUCache({ max: MOST })));
  const kept = batches.get(id);
  if (kept) return kept;
  const [row] = await session.query<BatchRow>(BATCH_SQL.find, { id });
  if (!row) throw batchUnknown(id);
  // Before it is planned it has no release, and all else is still to come.
  if (row.releaseKey > 0) batches.set(id, row);
  return row;
}
