/**
 * Which release is current, and the log of how it became so: as in the embedded store; a lock makes one of it with the
 * challenger.
 */
import { challengerIsCurrent } from '../failures.ts';
import { isNoted, MAX_PROMOTIONS, releaseBefore, type Promotion, type ReleaseSwitch } from '../promotions.ts';
import type { PromotionStore } from '../store.ts';
import type { Database, Session, Transaction } from './connection.ts';
import { releaseKey } from './releases.ts';
import { tsql } from './statement.ts';
import { defined } from '../../domain/defined.ts';

const KEY = { releaseKey: 'INT' } as const;

export const PROMOTION_SQL = {
  clearCurrent: tsql(KEY, 'UPDATE releases SET is_current = 0 WHERE is_current = 1 AND release_key <> @releaseKey'),
  setCurrent: tsql(KEY, 'UPDATE releases SET is_current = 1 WHERE release_key = @releaseKey AND is_current = 0'),
  current: tsql({}, 'SELECT name FROM releases WHERE is_current = 1'),
  add: tsql(
    { ...KEY, how: 'NVARCHAR(32)', by: 'NVARCHAR(400)', now: 'BIGINT' },
    'INSERT INTO promotions (release_key, how, by_whom, at_ms) VALUES (@releaseKey, @how, @by, @now)',
  ),
  list: tsql(
    { limit: 'INT' },
    `
    SELECT TOP (@limit) [release], how, [by], atMs FROM (
      SELECT p.id AS id, r.name AS [release], p.how AS how, p.by_whom AS [by], p.at_ms AS atMs
      FROM promotions p INNER JOIN releases r ON r.release_key = p.release_key
    ) entries ORDER BY id DESC`,
  ),
  endChallenger: tsql(KEY, 'DELETE FROM challenger WHERE release_key = @releaseKey'),
} as const;

/** Whoever changes the current release or the challenger holds it, so that none sees the other half-way. */
const LOCK = 'fleetscore-current-release';

export function promotionMethods(db: Database): PromotionStore {
  return {
    setCurrentRelease: (name, origin = { how: 'promote', by: '' }) =>
      db.write(async (tx) => {
        await tx.lock(LOCK);
        return makeCurrent(tx, name, origin.how, origin.by);
      }),
    rollBackRelease: (by) =>
      db.write(async (tx) => {
        await tx.lock(LOCK);
        return makeCurrent(tx, releaseBefore(await promotions(tx), await currentRelease(tx)), 'rollback', by);
      }),
    currentRelease: () => db.read(currentRelease),
    listPromotions: (limit = MAX_PROMOTIONS) => db.read((session) => promotions(session, limit)),
  };
}

/** Until the transaction ends nobody makes it current. @throws FleetscoreError `CHALLENGER_IS_CURRENT` */
export async function refuseCurrent(tx: Transaction, challenger: string): Promise<void> {
  await tx.lock(LOCK);
  if ((await currentRelease(tx)) === challenger) throw challengerIsCurrent(challenger);
}

async function currentRelease(session: Session): Promise<string | undefined> {
  return (await session.query<{ name: string }>(PROMOTION_SQL.current, {}))[0]?.name;
}

async function promotions(session: Session, limit = MAX_PROMOTIONS): Promise<Promotion[]> {
  const rows = await session.query<Promotion>(PROMOTION_SQL.list, { limit });
  return rows.map((row) => ({ ...row, atMs: Number(row.atMs) }));
}

async function makeCurrent(tx: Transaction, name: string, how: Promotion['how'], by: string): Promise<ReleaseSwitch> {
  const key = { releaseKey: await releaseKey(tx, name) };
  const before = await currentRelease(tx);
  const now = Date.now();
  if (before !== undefined && !isNoted(await promotions(tx), before))
    await tx.run(PROMOTION_SQL.add, { releaseKey: await releaseKey(tx, before), how: 'seen', by: '', now });
  if (before !== name) {
    await tx.run(PROMOTION_SQL.clearCurrent, key);
    await tx.run(PROMOTION_SQL.setCurrent, key);
    await tx.run(PROMOTION_SQL.add, { ...key, how, by, now });
  }
  const wasChallenger = (await tx.run(PROMOTION_SQL.endChallenger, key)) > 0;
  return { release: name, ...defined({ before }), wasChallenger };
}
