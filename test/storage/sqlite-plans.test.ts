/** The hot paths of the embedded store go through keys: a scan of a big table would only show on a big fleet. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { loadMigrations } from '../../storage/migrations.ts';
import { ALARM_WORK_SQL } from '../../storage/sqlite/alarm-work.ts';
import { ALARM_SQL } from '../../storage/sqlite/alarms.ts';
import { ARTIFACT_SQL } from '../../storage/sqlite/artifacts.ts';
import { AUDIT_SQL } from '../../storage/sqlite/audit.ts';
import { BATCH_SQL, listSql } from '../../storage/sqlite/batch-sql.ts';
import { CHALLENGE_SQL } from '../../storage/sqlite/challenges.ts';
import { DROPPED_SQL } from '../../storage/sqlite/dropped.ts';
import { INGEST_SQL } from '../../storage/sqlite/ingest.ts';
import { OUTCOME_SQL } from '../../storage/sqlite/outcomes.ts';
import { PROMOTION_SQL } from '../../storage/sqlite/promotions.ts';
import { PRUNE_SQL } from '../../storage/sqlite/prune.ts';
import { RELEASE_SQL } from '../../storage/sqlite/releases.ts';
import { RETIRED_SQL } from '../../storage/sqlite/retired.ts';
import { SENSOR_SQL } from '../../storage/sqlite/sensors.ts';
import { NOTICE_SQL } from '../../storage/sqlite/notices.ts';
import { SERIES_SQL } from '../../storage/sqlite/series.ts';
import { WINDOW_SQL } from '../../storage/sqlite/windows.ts';

const db = new DatabaseSync(':memory:');
for (const { sql } of loadMigrations('sqlite')) db.exec(sql);
afterAll(() => db.close());

/** Lists of batches, by what they filter. */
const LISTS = {
  list: listSql([]),
  listSchedule: listSql(['schedule']),
  listStatus: listSql(['status']),
  listPeriod: listSql(['period']),
  listWithin: listSql(['within']),
  listCovering: listSql(['covering']),
  listSupersedes: listSql(['supersedes']),
  listEnded: listSql(['endedBefore']),
};

const ROOMS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  alarms: ALARM_SQL,
  alarmWork: ALARM_WORK_SQL,
  artifacts: ARTIFACT_SQL,
  audit: AUDIT_SQL,
  batches: { ...BATCH_SQL, ...LISTS },
  challenges: CHALLENGE_SQL,
  dropped: DROPPED_SQL,
  ingest: INGEST_SQL,
  notices: NOTICE_SQL,
  outcomes: OUTCOME_SQL,
  promotions: PROMOTION_SQL,
  prune: PRUNE_SQL,
  releases: RELEASE_SQL,
  retired: RETIRED_SQL,
  sensors: SENSOR_SQL,
  windows: { ...WINDOW_SQL, ...SERIES_SQL },
};
const planOf = (sql: string): string[] =>
  db
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map((row) => String(row.detail));

// Small tables, a count of the sensors, and steps over rows that a search inside the same statement has found.
const SCANS_ALLOWED = new Set([
  // Over the first ids of each kind, which searches have found.
  ...['candidates', 'reordered'].flatMap((name) =>
    ['(subquery-1)', '(subquery-3)', '(subquery-5)', '(subquery-7)', 'c'].map(
      (what) => `alarmWork.${name}: SCAN ${what}`,
    ),
  ),
  // The one sensor that is named.
  'alarmWork.next: SCAN CONSTANT ROW',
  'alarmWork.next: SCAN c',
  'alarms.rules: SCAN alarm_rules',
  'batches.latePeriods: SCAN p',
  'batches.list: SCAN b USING INDEX batches_started',
  // From the newest on, until there are enough.
  'batches.listSchedule: SCAN b USING INDEX batches_started',
  'batches.listStatus: SCAN b USING INDEX batches_started',
  'batches.listCovering: SCAN b USING INDEX batches_started',
  'batches.listSupersedes: SCAN b USING INDEX batches_started',
  // Once an hour, for retention.
  'batches.listEnded: SCAN b USING INDEX batches_started',
  'batches.rangesAll: SCAN (subquery-2)',
  'batches.rangesListed: SCAN (subquery-1)',
  'batches.rangesAllOfPool: SCAN (subquery-3)',
  'batches.rangesListedOfPool: SCAN (subquery-2)',
  'batches.addPoolless: SCAN n',
  'batches.addChallenger: SCAN challenger',
  'challenges.find: SCAN c',
  'challenges.overview: SCAN h',
  'challenges.counts: SCAN h',
  'challenges.differences: SCAN h',
  'challenges.differences: SCAN d',
  // A row a file; who lists asks for all of them.
  'dropped.count: SCAN dropped_files USING COVERING INDEX dropped_files_state',
  'dropped.list: SCAN dropped_files USING INDEX dropped_files_first',
  'ingest.listProgress: SCAN partition_progress',
  // The names that are given.
  'outcomes.mergeChunks: SCAN json_each VIRTUAL TABLE INDEX 1:',
  'outcomes.moveOutcomes: SCAN json_each VIRTUAL TABLE INDEX 1:',
  'outcomes.dropChunks: SCAN json_each VIRTUAL TABLE INDEX 1:',
  // Of an index of batches in the middle of a sensor: a few.
  'alarmWork.places: SCAN a USING INDEX alarm_batches_place',
  // The rows of the statement itself.
  'outcomes.addScored: SCAN 50-ROW VALUES CLAUSE',
  'promotions.list: SCAN p',
  'promotions.endChallenger: SCAN challenger',
  'prune.oldBatches: SCAN batches',
  'releases.list: SCAN releases',
  'releases.windowsOfSensor: SCAN r USING COVERING INDEX sqlite_autoindex_releases_1',
  'retired.byPool: SCAN r',
  'retired.count: SCAN retired_sensors',
  'sensors.count: SCAN sensors USING COVERING INDEX sensors_name',
  'windows.changed: SCAN s',
  'windows.changedOwn: SCAN s',
]);

test('no statement scans a big table', () => {
  const scans = Object.entries(ROOMS).flatMap(([room, statements]) =>
    Object.entries(statements).flatMap(([name, sql]) =>
      planOf(sql)
        .filter((step) => step.startsWith('SCAN'))
        .map((step) => `${room}.${name}: ${step}`),
    ),
  );
  expect(new Set(scans)).toEqual(SCANS_ALLOWED);
});

/** Tables that grow with time. */
const GROWING = /^(w|windows|o|outcomes|challenged|chunks|late_minutes|b|batches|a|alarms|k|alarm_links|alarm_events)$/;
/** Ranges that a statement may walk: of the small table of batches, and of late minutes near a period. */
const RANGES_ALLOWED = new Set([
  // For a batch that was not the newest, once for 500 sensors: what is abnormal in the fleet, without what is in it.
  'alarmWork.reordered: SEARCH alarm_links USING COVERING INDEX alarm_links_end (to_ms>?)',
  'alarmWork.reordered: SEARCH k USING INDEX alarm_links_end (to_ms<?)',
  // As many as are asked for, in the order of the index.
  'alarms.events: SEARCH alarm_events USING INTEGER PRIMARY KEY (rowid>?)',
  'alarms.listAll: SEARCH a USING INDEX alarms_since (since_ms>? AND since_ms<?)',
  'alarms.listOpen: SEARCH a USING INDEX alarms_open (since_ms<?)',
  // What was over before the period is not looked at.
  'alarms.listLasting: SEARCH a USING INDEX alarms_until (until_ms>?)',
  // Once an hour, for retention.
  'prune.alarmEvents: SEARCH a USING INDEX alarms_since (since_ms<?)',
  'prune.alarmLinks: SEARCH k USING INDEX alarm_links_end (to_ms<?)',
  'prune.alarms: SEARCH a USING INDEX alarms_since (since_ms<?)',
  'alarmWork.undecided: SEARCH b USING INDEX batches_started (started_at_ms>?)',
  'batches.latePeriods: SEARCH batches USING INDEX batches_period (from_ms>?)',
  'batches.listWithin: SEARCH b USING INDEX batches_period (from_ms>? AND from_ms<?)',
  'outcomes.history: SEARCH b USING INDEX batches_planned_end (to_ms>?)',
  'outcomes.sources: SEARCH b USING INDEX batches_planned_end (to_ms>?)',
  'prune.lateMinutes: SEARCH late_minutes USING PRIMARY KEY (start_ms<?)',
]);

test('no statement walks a range over the whole of a table that grows: its first key column is given', () => {
  const ranges = Object.entries(ROOMS).flatMap(([room, statements]) =>
    Object.entries(statements).flatMap(([name, sql]) =>
      planOf(sql)
        .filter((step) => {
          const [, table, first] = /^SEARCH (\w+) .*\(\w+([=<>])/.exec(step) ?? [];
          return table !== undefined && GROWING.test(table) && first !== '=';
        })
        .map((step) => `${room}.${name}: ${step}`),
    ),
  );
  expect(new Set(ranges)).toEqual(RANGES_ALLOWED);
});

test.each([
  [
    'readSeries seeks each sensor',
    SERIES_SQL.series,
    'SEARCH w USING PRIMARY KEY (sensor_id=? AND start_ms>? AND start_ms<?)',
  ],
  [
    'readSeries of means seeks each sensor',
    SERIES_SQL.means,
    'SEARCH w USING PRIMARY KEY (sensor_id=? AND start_ms>? AND start_ms<?)',
  ],
  ['upsert of a window', INGEST_SQL.window, 'SEARCH windows USING PRIMARY KEY (sensor_id=? AND start_ms=?)'],
  ['planRanges over the fleet', BATCH_SQL.rangesAll, 'SEARCH s USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)'],
  [
    'planRanges over a list',
    BATCH_SQL.rangesListed,
    'SEARCH l USING PRIMARY KEY (batch_key=? AND sensor_id>? AND sensor_id<?)',
  ],
  [
    'readSeries of a list seeks each sensor',
    BATCH_SQL.seriesListed,
    'SEARCH w USING PRIMARY KEY (sensor_id=? AND start_ms>? AND start_ms<?)',
  ],
  [
    'readSeries of a pool looks up the pool of each sensor',
    BATCH_SQL.seriesAllOfPool,
    'SEARCH q USING PRIMARY KEY (release_key=? AND sensor_id=?)',
  ],
  ['planRanges of a pool', BATCH_SQL.rangesAllOfPool, 'SEARCH q USING PRIMARY KEY (release_key=? AND sensor_id=?)'],
  ['countOutcomes of a pool', OUTCOME_SQL.countOfPool, 'SEARCH q USING PRIMARY KEY (release_key=? AND sensor_id=?)'],
  [
    'plannedSensors finds models',
    BATCH_SQL.sensorsAll,
    'SEARCH m USING PRIMARY KEY (release_key=? AND sensor_id=?) LEFT-JOIN',
  ],
  [
    'commitChunk looks for outcomes',
    OUTCOME_SQL.recorded,
    'SEARCH outcomes USING PRIMARY KEY (batch_key=? AND sensor_id>? AND sensor_id<?)',
  ],
  [
    'commitChunk finds a model',
    ARTIFACT_SQL.key,
    'SEARCH artifacts USING COVERING INDEX sqlite_autoindex_artifacts_1 (name=?)',
  ],
  [
    'failures of a batch',
    OUTCOME_SQL.listUnscored,
    'SEARCH o USING INDEX outcomes_unscored (batch_key=? AND status=? AND sensor_id>?)',
  ],
  ['the end of what is planned', INGEST_SQL.plannedUpTo, 'SEARCH batches USING INDEX batches_planned_end'],
  ['predictionSources of a sensor', OUTCOME_SQL.sources, 'SEARCH o USING PRIMARY KEY (batch_key=? AND sensor_id=?)'],
  [
    'changedSensors looks at windows',
    WINDOW_SQL.changed,
    'SEARCH w EXISTS USING PRIMARY KEY (sensor_id=? AND start_ms>? AND start_ms<?)',
  ],
  [
    'changedSensors looks at windows of any length',
    WINDOW_SQL.changedOwn,
    'SEARCH w EXISTS USING PRIMARY KEY (sensor_id=? AND start_ms>? AND start_ms<?)',
  ],
  [
    'a page of the alarms of a period',
    ALARM_SQL.lasting,
    'SEARCH a USING INDEX alarms_until ((until_ms,since_ms,id)>(?,?,?))',
  ],
  [
    'alarms of a turn, of one sensor in a span of time',
    ALARM_WORK_SQL.alarms,
    'SEARCH alarms USING INDEX alarms_sensor (sensor_id=? AND since_ms>? AND since_ms<?)',
  ],
  [
    'the newest alarm before it',
    ALARM_WORK_SQL.alarmBefore,
    'SEARCH alarms USING INDEX alarms_sensor (sensor_id=? AND since_ms<?)',
  ],
  [
    'the links of a sensor from a time on',
    ALARM_WORK_SQL.sizesFrom,
    'SEARCH alarm_links USING PRIMARY KEY (sensor_id=? AND from_ms>?)',
  ],
  [
    'the links of a sensor before it',
    ALARM_WORK_SQL.sizesBefore,
    'SEARCH alarm_links USING PRIMARY KEY (sensor_id=? AND from_ms<?)',
  ],
])('%s through its key', (_what, sql, step) => {
  expect(planOf(sql)).toContain(step);
});

test('the plans that docs/storage.md shows are those of the statements', () => {
  const shown = [
    ...readFileSync(join(import.meta.dirname, '../../docs/storage.md'), 'utf8').matchAll(/^ {4}.*\b(SEARCH .+)$/gm),
  ].map((found) => found[1]!);
  const steps = new Set(
    [SERIES_SQL.series, INGEST_SQL.window, WINDOW_SQL.changed, WINDOW_SQL.prune]
      .flatMap(planOf)
      .filter((step) => step.startsWith('SEARCH')),
  );
  expect(new Set(shown)).toEqual(steps);
});

test.each([
  ['readSeries', SERIES_SQL.series],
  ['planRanges over a list', BATCH_SQL.rangesListed],
  ['planRanges of a pool', BATCH_SQL.rangesAllOfPool],
  ['readSeries of a list', BATCH_SQL.seriesListed],
  ['readSeries of a pool in a list', BATCH_SQL.seriesListedOfPool],
  ['plannedSensors', BATCH_SQL.sensorsAll],
  ['plannedSensors of a list', BATCH_SQL.sensorsListed],
  ['undecidedSensors', BATCH_SQL.undecidedAll],
  ['listOutcomes', OUTCOME_SQL.list],
  ['listFiles', OUTCOME_SQL.files],
  ['the links of a sensor from a time on', ALARM_WORK_SQL.sizesFrom],
  ['the links of a sensor before it', ALARM_WORK_SQL.sizesBefore],
  ['the newest alarm before a time', ALARM_WORK_SQL.alarmBefore],
])('%s comes in the order of the key, without sorting', (_what, sql) => {
  expect(planOf(sql).filter((step) => step.includes('TEMP B-TREE'))).toEqual([]);
});

test('statements over the links of a sensor, or its alarms from a time on, end at what is asked for', () => {
  const open = Object.entries(ALARM_WORK_SQL).flatMap(([name, sql]) =>
    planOf(sql)
      .filter((step) => /^SEARCH (alarms|alarm_links) .*sensor_id=\? AND \w+[<>]\?\)$/.test(step))
      .filter(() => !sql.includes('LIMIT'))
      .map((step) => `${name}: ${step}`),
  );
  expect(open).toEqual([]);
});
