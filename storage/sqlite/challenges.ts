/** The challenger: the release that batches score beside their own, and what they recorded of it. */
import { clipMessage } from '../failures.ts';
import { toChallengeSummaries, type ChallengeCountsRow, type ChallengeRow } from '../challenge-rows.ts';
import { statusCode } from '../outcome-rows.ts';
import type { Challenger, ChallengeFilter, SensorDifference } from '../../domain/challenge.ts';
import type { ChallengeStore } from '../store.ts';
import { batchRow } from './batches.ts';
import type { Connection } from './connection.ts';
import { refuseCurrent } from './promotions.ts';
import { releaseKey } from './releases.ts';

const RECORDED = `
  FROM batch_challengers h
  CROSS JOIN batches b ON b.batch_key = h.batch_key
  CROSS JOIN releases base ON base.release_key = b.release_key
  CROSS JOIN releases chal ON chal.release_key = h.release_key
  CROSS JOIN challenged o ON o.batch_key = h.batch_key
  WHERE (?1 IS NULL OR base.name = ?1) AND (?2 IS NULL OR chal.name = ?2) AND (?3 IS NULL OR b.id = ?3)
    AND (?4 IS NULL OR (b.from_ms >= ?4 AND b.to_ms <= ?5))`;

export const CHALLENGE_SQL = {
  clear: 'DELETE FROM challenger',
  set: 'INSERT INTO challenger (id, release_key, share, since_ms) VALUES (1, ?, ?, ?)',
  find:
    'SELECT r.name AS "release", c.share, c.since_ms AS sinceMs FROM challenger c INNER JOIN releases r ON ' +
    'r.release_key = c.release_key',
  ofBatch: `
    SELECT r.name AS "release", h.share FROM batch_challengers h INNER JOIN releases r ON r.release_key = h.release_key
    WHERE h.batch_key = ?`,
  add: `
    INSERT INTO challenged (batch_key, sensor_id, status, class, message, windows, both_anomalous, only_base, only_challenger)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (batch_key, sensor_id) DO NOTHING`,
  overview: `
    SELECT base.name AS base, chal.name AS challenger, COUNT(DISTINCT b.batch_key) AS batches, MIN(b.from_ms) AS fromMs, MAX(b.to_ms) AS toMs,
           COUNT(DISTINCT o.sensor_id) AS sensors,
           COUNT(DISTINCT CASE WHEN o.only_base + o.only_challenger > 0 THEN o.sensor_id END) AS differing
    ${RECORDED} GROUP BY base.name, chal.name ORDER BY MAX(b.batch_key) DESC`,
  counts: `
    SELECT base.name AS base, chal.name AS challenger, o.status, o.class, COUNT(*) AS scorings, SUM(o.windows) AS windows,
           SUM(o.both_anomalous) AS both, SUM(o.only_base) AS onlyBase, SUM(o.only_challenger) AS onlyChallenger
    ${RECORDED} GROUP BY base.name, chal.name, o.status, o.class ORDER BY o.status, o.class`,
  differences: `
    SELECT s.device, s.sensor, d.windows, d.onlyBase, d.onlyChallenger FROM (
      SELECT o.sensor_id AS id, SUM(o.windows) AS windows, SUM(o.only_base) AS onlyBase, SUM(o.only_challenger) AS onlyChallenger
      ${RECORDED} GROUP BY o.sensor_id
    ) d CROSS JOIN sensors s ON s.id = d.id
    WHERE d.onlyBase + d.onlyChallenger > 0 ORDER BY d.onlyBase + d.onlyChallenger DESC, d.id LIMIT ?6`,
} as const;

export function challengeMethods(db: Connection): ChallengeStore {
  return {
    setChallenger: (challenger) =>
      db.write(() => {
        const key = challenger && releaseKey(db, challenger.release);
        if (challenger) refuseCurrent(db, challenger.release);
        db.run(CHALLENGE_SQL.clear);
        if (challenger) db.run(CHALLENGE_SQL.set, key!, challenger.share, challenger.sinceMs);
      }),

    findChallenger: () => db.read(() => db.get<Challenger>(CHALLENGE_SQL.find)).then((row) => row && { ...row }),

    batchChallenger: (batchId) =>
      db
        .read(() =>
          db.get<Pick<Challenger, 'release' | 'share'>>(CHALLENGE_SQL.ofBatch, batchRow(db, batchId).batchKey),
        )
        .then((row) => row && { ...row }),

    commitChallenge: (batchId, sensors) =>
      db.write(() => {
        const { batchKey } = batchRow(db, batchId);
        for (const s of sensors)
          db.run(
            CHALLENGE_SQL.add,
            batchKey,
            s.sensorId,
            statusCode(s.status),
            s.class ?? null,
            clipMessage(s.message),
            s.windows,
            s.both,
            s.onlyBase,
            s.onlyChallenger,
          );
      }),

    challengeSummaries: (filter = {}) =>
      db.read(() =>
        toChallengeSummaries(
          db.all<ChallengeRow>(CHALLENGE_SQL.overview, ...filterValues(filter)),
          db.all<ChallengeCountsRow>(CHALLENGE_SQL.counts, ...filterValues(filter)),
        ),
      ),

    challengeDifferences: (filter, limit) =>
      db.read(() =>
        db.all<SensorDifference>(CHALLENGE_SQL.differences, ...filterValues(filter), limit).map((row) => ({ ...row })),
      ),
  };
}

const filterValues = ({ base, challenger, batchId, within }: ChallengeFilter): (string | number | null)[] => [
  base ?? null,
  challenger ?? null,
  batchId ?? null,
  within?.fromMs ?? null,
  within?.toMs ?? null,
];
