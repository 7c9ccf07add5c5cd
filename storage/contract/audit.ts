/**
 * The log of what people did: an entry for every action, never changed, never taken away. Rules of all contracts:
 * store.ts.
 */

/** What somebody did to a thing, and what came of it. */
export interface AuditEntry {
  /** Ascending in the order of the entries. */
  readonly id: number;
  readonly atMs: number;
  /** `login@machine`, or the address of whoever showed the token. At most 400 characters. */
  readonly by: string;
  /** What was done: `batch.redrive`, `schedule.pause`. At most 32 characters. */
  readonly action: string;
  /** To what: id of a batch, name of a schedule. At most 400 characters. */
  readonly target: string;
  /** What was asked for besides, for people. At most 1000 characters. */
  readonly detail: string;
  /** `done`, or why it was not. At most 1000 characters. */
  readonly result: string;
}

export interface AuditFilter {
  /** Only entries before this one. */
  readonly before?: number;
  readonly target?: string;
  /** Default 100. */
  readonly limit?: number;
}

export interface AuditStore {
  /** Adds an entry, and gives it back with its id. Texts that are too long are cut. */
  addAudit(entry: Omit<AuditEntry, 'id'>): Promise<AuditEntry>;
  /** Newest first. */
  listAudit(filter?: AuditFilter): Promise<AuditEntry[]>;
}
