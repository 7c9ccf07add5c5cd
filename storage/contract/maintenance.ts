/**
 * What keeps a store in order: its schema, settings that never change under stored data, old rows, backups, room on
 * the disk. Rules of all contracts: store.ts.
 */

/** Room of a store that is a file, bytes. */
export interface StoreRoom {
  readonly fileBytes: number;
  /** In the file, and used again before it grows. */
  readonly reusableBytes: number;
  readonly freeBytes: number;
  /** Ingest waits while less is free. */
  readonly reserveBytes: number;
}

/** Too little room: neither on the disk nor, after a prune, in the file. */
export const readingsWait = ({ freeBytes, reserveBytes, reusableBytes }: Omit<StoreRoom, 'fileBytes'>): boolean =>
  freeBytes < reserveBytes && reusableBytes < reserveBytes / 4;

/** What {@link PruneStore.prune} takes away. A cut that is absent keeps everything of its kind. */
export interface PruneCut {
  /** Windows that start before this event time, epoch ms. */
  readonly windowsBeforeMs?: number;
  /** Batches (with outcomes, chunks and file entries) finished before this time of the clock, epoch ms. */
  readonly batchesBeforeMs?: number;
  /** Rows deleted in one transaction: what other writers wait for. Default 4000. */
  readonly rowsPerTransaction?: number;
}

export interface PruneCounts {
  readonly windows: number;
  readonly outcomes: number;
  readonly batches: number;
}

/** One migration: shipped with the code (`available`), applied to the database, or both. */
export interface MigrationState {
  readonly version: number;
  readonly name: string;
  /** False when the database has it and this version of the code does not know it. */
  readonly available: boolean;
  readonly appliedAtMs?: number;
}

/** The schema of a database. */
export interface SchemaStore {
  /**
   * Brings the schema to this version of the code, under a lock; safe from several processes.
   * Returns the names of the migrations that this call applied.
   * @throws FleetscoreError `SCHEMA_TOO_NEW`, `SCHEMA_CHANGED`, `MIGRATION_FAILED`
   */
  migrate(): Promise<readonly string[]>;
  /**
   * For whoever does not migrate. @throws FleetscoreError `SCHEMA_OLD` when migrations are pending, `SCHEMA_TOO_NEW`
   */
  checkSchema(): Promise<void>;
  /** By version ascending. Works on a database without a schema too. */
  migrationStatus(): Promise<MigrationState[]>;
}

/** Settings that are claimed once. */
export interface SettingStore {
  /**
   * The value kept under `key`: `value` when there was none before.
   * Used for what must never change under stored data, such as the aggregation interval.
   */
  claimSetting(key: string, value: string): Promise<string>;
  /** The value kept under `key`, undefined when there is none. */
  findSetting(key: string): Promise<string | undefined>;
}

/** Old rows. */
export interface PruneStore {
  /**
   * Deletes what is older than the cuts, in transactions small enough for other writers to live with; safe to
   * interrupt and repeat. Running batches and the sensor list stay.
   */
  prune(cut: PruneCut): Promise<PruneCounts>;
}

/** A store that is a file. */
export interface FileStore {
  /**
   * Writes a whole, consistent copy to a new file while others go on writing; it appears under its name when it is
   * whole and checked. @throws FleetscoreError `NOT_SUPPORTED` (the server has backups of its own), `FILE_EXISTS`
   */
  backup(file: string): Promise<{ readonly bytes: number }>;
  /** Undefined where the store is a server's. */
  room(): Promise<StoreRoom | undefined>;
  /** Settings of its server that others wait for, each with its remedy; none where the store is a file. */
  advice(): Promise<readonly string[]>;
}
