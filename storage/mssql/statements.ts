/** Every statement and staging table of this store, by room: what the tests parse and compare with the schema. */
import { ALARM_IDS, ALARM_WORK_SQL, ASKED, LINKS, SIGNALS, SPANS } from './alarm-work-sql.ts';
import { NOTICE_SQL } from './notices.ts';
import { ALARM_SQL, MOVED } from './alarms.ts';
import { AUDIT_SQL } from './audit.ts';
import { BATCH_SQL, LISTED } from './batch-sql.ts';
import { CHALLENGED, CHALLENGE_SQL } from './challenges.ts';
import { ARRIVED, INGEST_SQL, MERGED } from './ingest.ts';
import { CHUNK_SQL } from './chunks.ts';
import { DROPPED_SQL } from './dropped.ts';
import { DECIDED, OUTCOME_SQL } from './outcomes.ts';
import { PROMOTION_SQL } from './promotions.ts';
import { PRUNE_SQL } from './prune.ts';
import { INFOS, MODELS, RELEASE_SQL } from './releases.ts';
import { RETIRED_SQL } from './retired.ts';
import { SCHEMA_SQL } from './schema.ts';
import { NAMES, SENSOR_SQL } from './sensors.ts';
import type { StageTable, Statement } from './statement.ts';
import { SEND_SQL } from './sends.ts';
import { SESSION_SQL } from './watch-connections.ts';
import { LOADED, WINDOW_SQL } from './windows.ts';

export const STATEMENTS: Readonly<Record<string, Readonly<Record<string, Statement>>>> = {
  alarms: ALARM_SQL,
  alarmWork: ALARM_WORK_SQL,
  notices: NOTICE_SQL,
  audit: AUDIT_SQL,
  batches: BATCH_SQL,
  challenges: CHALLENGE_SQL,
  chunks: CHUNK_SQL,
  dropped: DROPPED_SQL,
  ingest: INGEST_SQL,
  outcomes: OUTCOME_SQL,
  promotions: PROMOTION_SQL,
  prune: PRUNE_SQL,
  releases: RELEASE_SQL,
  retired: RETIRED_SQL,
  schema: SCHEMA_SQL,
  sends: SEND_SQL,
  sensors: SENSOR_SQL,
  sessions: SESSION_SQL,
  windows: WINDOW_SQL,
};

export const STAGE_TABLES: readonly StageTable[] = [
  ARRIVED,
  MERGED,
  LOADED,
  NAMES,
  MODELS,
  INFOS,
  LISTED,
  DECIDED,
  CHALLENGED,
  ASKED,
  SPANS,
  ALARM_IDS,
  SIGNALS,
  LINKS,
  MOVED,
];
