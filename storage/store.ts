/**
 * The SQL store: one contract, two engines (embedded SQLite, SQL Server / Azure SQL). Rules for both:
 * every method is one transaction, or reads only; writing the same thing twice changes nothing; lists
 * page by key, all of it when no limit is given; names are checked before they come here. Trouble of the
 * engine is thrown as FleetscoreError `STORE_UNAVAILABLE` (retryable) or `STORE_ERROR`, a schema that is
 * missing or older than the code as `SCHEMA_MISSING`, one that is too new for the code as `SCHEMA_TOO_NEW`.
 */
import type { AlarmWorkStore } from './contract/alarm-work.ts';
import type { AlarmStore } from './contract/alarms.ts';
import type { AuditStore } from './contract/audit.ts';
import type { BatchStore } from './contract/batches.ts';
import type { ChallengeStore } from './contract/challenges.ts';
import type { DropStore } from './contract/dropped.ts';
import type { IngestStore } from './contract/ingest.ts';
import type { SchemaStore, SettingStore, PruneStore, FileStore } from './contract/maintenance.ts';
import type { NoticeStore } from './contract/notices.ts';
import type { OutcomeStore } from './contract/outcomes.ts';
import type { ReleaseStore, PromotionStore } from './contract/releases.ts';
import type { RetiredStore } from './contract/retired.ts';
import type { SensorStore } from './contract/sensors.ts';
import type { WindowStore } from './contract/windows.ts';

export * from './contract/alarm-work.ts';
export * from './contract/alarms.ts';
export * from './contract/audit.ts';
export * from './contract/batches.ts';
export * from './contract/challenges.ts';
export * from './contract/dropped.ts';
export * from './contract/ingest.ts';
export * from './contract/maintenance.ts';
export * from './contract/notices.ts';
export * from './contract/outcomes.ts';
export * from './contract/releases.ts';
export * from './contract/retired.ts';
export * from './contract/sensors.ts';
export * from './contract/windows.ts';

export interface Store
  extends
    SensorStore,
    RetiredStore,
    IngestStore,
    DropStore,
    WindowStore,
    ReleaseStore,
    PromotionStore,
    ChallengeStore,
    BatchStore,
    OutcomeStore,
    AlarmStore,
    AlarmWorkStore,
    NoticeStore,
    SchemaStore,
    SettingStore,
    PruneStore,
    AuditStore,
    FileStore {
  readonly engine: 'sqlite' | 'mssql';
  close(): Promise<void>;
}
