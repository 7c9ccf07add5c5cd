/**
 * What a soak looks at beside memory: the room that a home takes on disk, and the rows of the Blob server's index. With
 * retention in force both must end where they were when the first things grew too old.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The home at one moment. */
export interface Room {
  readonly atMs: number;
  /** Blobs, and appends and blocks that they consist of. */
  readonly blobs: number;
  readonly pieces: number;
  /** Pages in use of the index of the Blob server, its log not counted, MiB. */
  readonly indexMiB: number;
  /** The SQLite store, MiB, and its log. */
  readonly storeMiB: number;
  readonly walMiB: number;
}

export function roomOf(home: string, nowMs: number): Room | undefined {
  const index = join(home, 'data', 'blobs', 'index.db');
  if (!existsSync(index)) return undefined;
  const db = new DatabaseSync(index, { readOnly: true, timeout: 5_000 });
  try {
    const one = (sql: string): number => Number(Object.values(db.prepare(sql).get()!)[0]);
    const used = one('PRAGMA page_count') - one('PRAGMA freelist_count');
    return {
      atMs: nowMs,
      blobs: one('SELECT count(*) FROM blobs'),
      pieces: one('SELECT count(*) FROM pieces'),
      indexMiB: (used * one('PRAGMA page_size')) / 1_048_576,
      storeMiB: mib(join(home, 'data', 'fleet.db')),
      walMiB: mib(join(home, 'data', 'fleet.db-wal')),
    };
  } finally {
    db.close();
  }
}

/** Blobs by container, for the table. */
export function blobsByContainer(home: string): Record<string, number> {
  const db = new DatabaseSync(join(home, 'data', 'blobs', 'index.db'), { readOnly: true, timeout: 5_000 });
  try {
    const rows = db.prepare('SELECT container, count(*) AS n FROM blobs GROUP BY container ORDER BY container').all();
    return Object.fromEntries(rows.map((row) => [String(row.container), Number(row.n)]));
  } finally {
    db.close();
  }
}

function mib(file: string): number {
  return existsSync(file) ? statSync(file).size / 1_048_576 : 0;
}
