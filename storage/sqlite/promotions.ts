/**
 * Which release is current, and the log of how it became so: changed together with the challenger, in one transaction.
 */
import { challengerIsCurrent } from '../failures.ts';
import { isNoted, MAX_PROMOTIONS, releaseBefore, type Promotion, type ReleaseSwitch } from '../promotions.ts';
import type { PromotionStore } from '../store.ts';
import type { Connection } from './connection.ts';
import { releaseKey } from './releases.ts';
import { defined } from '../../domain/defined.ts';

export const PROMOTION_SQL = {
  clearCurrent: 'UPDATE releases SET is_current = 0 WHERE is_current = 1 AND release_key <> ?',
  setCurrent: 'UPDATE releases SET is_current = 1 WHERE release_key = ? AND is_current = 0',
  current: 'SELECT name FROM releases WHERE is_current = 1',
  add: 'INSERT INTO promotions (release_key, how, by_whom, at_ms) VALUES (?, ?, ?, ?)',
  list: `
    SELECT r.name AS "release", p.how, p.by_whom AS "by", p.at_ms AS atMs
    FROM promotions p CROSS JOIN releases r ON r.release_key = p.release_key ORDER BY p.id DESC LIMIT ?`,
  endChallenger: 'DELETE FROM challenger WHERE release_key = ?',
} as const;

export function promotionMethods(db: Connection): PromotionStore {
  return {
    setCurrentRelease: (name, origin = { how: 'promote', by: '' }) =>
      db.write(() => makeCurrent(db, name, origin.how, origin.by)),
    rollBackRelease: (by) =>
      db.write(() => makeCurrent(db, releaseBefore(promotions(db), currentRelease(db)), 'rollback', by)),
    currentRelease: () => db.read(() => currentRelease(db)),
    listPromotions: (limit = MAX_PROMOTIONS) => db.read(() => promotions(db, limit)),
  };
}

/** @throws FleetscoreError `CHALLENGER_IS_CURRENT` */
export function refuseCurrent(db: Connection, challenger: string): void {
  if (currentRelease(db) === challenger) throw challengerIsCurrent(challenger);
}

const currentRelease = (db: Connection): string | undefined => db.get<{ name: string }>(PROMOTION_SQL.current)?.name;

const promotions = (db: Connection, limit = MAX_PROMOTIONS): Promotion[] =>
  db.all<Promotion>(PROMOTION_SQL.list, limit).map((row) => ({ ...row }));

function makeCurrent(db: Connection, name: string, how: Promotion['how'], by: string): ReleaseSwitch {
  const key = releaseKey(db, name);
  const before = currentRelease(db);
  const now = Date.now();
  if (before !== undefined && !isNoted(promotions(db), before))
    db.run(PROMOTION_SQL.add, releaseKey(db, before), 'seen', '', now);
  if (before !== name) {
    db.run(PROMOTION_SQL.clearCurrent, key);
    db.run(PROMOTION_SQL.setCurrent, key);
    db.run(PROMOTION_SQL.add, key, how, by, now);
  }
  const wasChallenger = db.run(PROMOTION_SQL.endChallenger, key) > 0;
  return { release: name, ...defined({ before }), wasChallenger };
}
