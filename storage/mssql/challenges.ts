/** The challenger: the release that batches score beside their own, and what they recorded of it. */
import type { SensorKey } from '../../domain/sensor.ts';
import { clipMessage } from '../failures.ts';
import { toChallengeSummaries, type ChallengeCountsRow, type ChallengeRow } from '../challenge-rows.ts';
import { statusCode } from '../outcome-rows.ts';
import type { ChallengeFilter, LabelCounts } from '../../domain/challenge.ts';
import type { ChallengeStore } from '../store.ts';
import { batchRow } from './batches.ts';
import { challengerOf, plannedBatch } from './planned-batch.ts';
import type { Database } from './connection.ts';
import { refuseCurrent } from './promotions.ts';
import { releaseKey } from './releases.ts';
import { tsql, type SqlValue, type StageTable } from './statement.ts';

export const CHALLENGED: StageTable = {
  name: '#challenged',
  columns: [
    { name: 'sensor_id', type: 'INT', of: 'challenged.sensor_id' },
    { name: 'status', type: 'TINYINT', of: 'challenged.status' },
    { name: 'class', type: 'NVARCHAR(32)', nullable: true, of: 'challenged.class' },
    { name: 'message', type: 'NVARCHAR(1000)', nullable: true, of: 'challenged.message' },
    { name: 'windows', type: 'BIGINT', of: 'challenged.windows' },
    { name: 'both_anomalous', type: 'BIGINT', of: 'challenged.both_anomalous' },
    { name: 'only_base', type: 'BIGINT', of: 'challenged.only_base' },
    { name: 'only_challenger', type: 'BIGINT', of: 'challenged.only_challenger' },
  ],
  key: ['sensor_id'],
};

const KEY = { batchKey: 'INT' } as const;
const FILTER = {
  base: 'NVARCHAR(128)',
  challenger: 'NVARCHAR(128)',
  batchId: 'NVARCHAR(128)',
  fromMs: 'BIGINT',
  toMs: 'BIGINT',
} as const;

const RECORDED = `
      FROM batch_challengers h
      INNER JOIN batches b ON b.batch_key = h.batch_key
      INNER JOIN releases base ON base.release_key = b.release_key
      INNER JOIN releases chal ON chal.release_key = h.release_key
      INNER JOIN challenged o ON o.batch_key = h.batch_key`;
const FILTERED = `
      WHERE (@base IS NULL OR base.name = @base) AND (@challenger IS NULL OR chal.name = @challenger)
        AND (@batchId IS NULL OR b.id = @batchId) AND (@fromMs IS NULL OR (b.from_ms >= @fromMs AND b.to_ms <= @toMs))`;

export const CHALLENGE_SQL = {
  clear: tsql({}, 'DELETE FROM challenger'),
  set: tsql(
    { releaseKey: 'INT', share: 'FLOAT', sinceMs: 'BIGINT' },
    `
    INSERT INTO challenger (id, release_key, share, since_ms) VALUES (1, @releaseKey, @share, @sinceMs)`,
  ),
  find: tsql(
    {},
    `
    SELECT r.name AS [release], c.share AS share, c.since_ms AS sinceMs
    FROM challenger c INNER JOIN releases r ON r.release_key = c.release_key`,
  ),
  ofBatch: tsql(
    KEY,
    `
    SELECT r.name AS [release], h.share AS share
    FROM batch_challengers h INNER JOIN releases r ON r.release_key = h.release_key WHERE h.batch_key = @batchKey`,
  ),
  add: tsql(
    KEY,
    `
    INSERT INTO challenged (batch_key, sensor_id, status, class, message, windows, both_anomalous, only_base, only_challenger)
    SELECT @batchKey, n.sensor_id, n.status, n.class, n.message, n.windows, n.both_anomalous, n.only_base, n.only_challenger
    FROM #challenged n
    WHERE NOT EXISTS (SELECT 1 FROM challenged o WITH (UPDLOCK, HOLDLOCK) WHERE o.batch_key = @batchKey AND o.sensor_id = n.sensor_id)`,
  ),
  overview: tsql(
    FILTER,
    `
    SELECT base.name AS base, chal.name AS challenger, COUNT(DISTINCT b.batch_key) AS batches, MIN(b.from_ms) AS fromMs, MAX(b.to_ms) AS toMs,
           COUNT(DISTINCT o.sensor_id) AS sensors,
           COUNT(DISTINCT CASE WHEN o.only_base + o.only_challenger > 0 THEN o.sensor_id END) AS differing
    ${RECORDED}${FILTERED}
    GROUP BY base.name, chal.name ORDER BY MAX(b.batch_key) DESC`,
  ),
  counts: tsql(
    FILTER,
    `
    SELECT base.name AS base, chal.name AS challenger, o.status AS status, o.class AS class, COUNT(*) AS scorings, SUM(o.windows) AS windows,
           SUM(o.both_anomalous) AS both, SUM(o.only_base) AS onlyBase, SUM(o.only_challenger) AS onlyChallenger
    ${RECORDED}${FILTERED}
    GROUP BY base.name, chal.name, o.status, o.class ORDER BY o.status, o.class`,
  ),
  differences: tsql(
    { ...FILTER, limit: 'INT' },
    `
    SELECT TOP (@limit) device, sensor, windows, onlyBase, onlyChallenger FROM (
      SELECT s.device AS device, s.sensor AS sensor, o.sensor_id AS id, SUM(o.windows) AS windows,
             SUM(o.only_base) AS onlyBase, SUM(o.only_challenger) AS onlyChallenger
      ${RECORDED} INNER JOIN sensors s ON s.id = o.sensor_id${FILTERED}
      GROUP BY s.device, s.sensor, o.sensor_id
    ) d WHERE onlyBase + onlyChallenger > 0 ORDER BY onlyBase + onlyChallenger DESC, id`,
  ),
} as const;

export function challengeMethods(db: Database): ChallengeStore {
  return {
    setChallenger: (challenger) =>
      db.write(async (tx) => {
        const key = challenger && (await releaseKey(tx, challenger.release));
        if (challenger) await refuseCurrent(tx, challenger.release);
        await tx.run(CHALLENGE_SQL.clear, {});
        if (challenger)
          await tx.run(CHALLENGE_SQL.set, { releaseKey: key!, share: challenger.share, sinceMs: challenger.sinceMs });
      }),

    findChallenger: () =>
      db.read(async (session) => {
        const [row] = await session.query<{ release: string; share: number; sinceMs: string | number }>(
          CHALLENGE_SQL.find,
          {},
        );
        return row && { ...row, sinceMs: Number(row.sinceMs) };
      }),

    batchChallenger: (batchId) =>
      db.read(async (session) => {
        const batch = await plannedBatch(db, session, batchId);
        const { batchKey } = batch;
        return challengerOf(
          batch,
          async () => (await session.query<{ release: string; share: number }>(CHALLENGE_SQL.ofBatch, { batchKey }))[0],
        );
      }),

    commitChallenge: (batchId, sensors) =>
      db.write(async (tx) => {
        const { batchKey } = await batchRow(tx, batchId);
        await tx.stage(
          CHALLENGED,
          sensors.map((s) => [
            s.sensorId,
            statusCode(s.status),
            s.class ?? null,
            clipMessage(s.message),
            s.windows,
            s.both,
            s.onlyBase,
            s.onlyChallenger,
          ]),
        );
        await tx.run(CHALLENGE_SQL.add, { batchKey });
      }),

    challengeSummaries: (filter = {}) =>
      db.read(async (session) =>
        toChallengeSummaries(
          await session.query<ChallengeRow>(CHALLENGE_SQL.overview, filterValues(filter)),
          await session.query<ChallengeCountsRow>(CHALLENGE_SQL.counts, filterValues(filter)),
        ),
      ),

    challengeDifferences: (filter, limit) =>
      db.read(async (session) => {
        const rows = await session.query<SensorKey & Record<keyof Omit<LabelCounts, 'both'>, string | number>>(
          CHALLENGE_SQL.differences,
          { ...filterValues(filter), limit },
        );
        return rows.map(({ device, sensor, windows, onlyBase, onlyChallenger }) => ({
          device,
          sensor,
          windows: Number(windows),
          onlyBase: Number(onlyBase),
          onlyChallenger: Number(onlyChallenger),
        }));
      }),
  };
}

const filterValues = ({
  base,
  challenger,
  batchId,
  within,
}: ChallengeFilter): Record<keyof typeof FILTER, SqlValue> => ({
  base: base ?? null,
  challenger: challenger ?? null,
  batchId: batchId ?? null,
  fromMs: within?.fromMs ?? null,
  toMs: within?.toMs ?? null,
});
