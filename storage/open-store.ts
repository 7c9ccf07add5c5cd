/** The door to the store: which engine, and where, is said by one text. Engines are loaded when asked for. */
import { FleetscoreError } from '../domain/errors.ts';
import type { Store } from './store.ts';

export interface OpenStoreOptions {
  /** Make the SQLite file, and its folder, when it is missing. Default true. */
  readonly create?: boolean;
  /** Longest wait for a server that does not answer yet, such as a paused database that wakes up. Default 75 s. */
  readonly waitMs?: number;
  /** Told once, with a sentence for people, when the store is waited for. */
  readonly onWait?: (text: string) => void;
  /** Pages of a SQLite file kept in memory, MiB. */
  readonly cacheMiB?: number;
}

const FORMS =
  'Use sqlite:PATH for a file, or a SQL Server connection string: ' +
  'Server=HOST,1433;Database=NAME;Authentication=Active Directory Default;Encrypt=true';

/**
 * Opens the store named by `url`: `sqlite:PATH`, `Server=...;Database=...` or `mssql://user@host/database`.
 * Call `migrate()` or `checkSchema()` before the first use. Neither errors nor logs repeat the text: it may hold a
 * password.
 * @throws FleetscoreError `STORE_URL_INVALID`, `STORE_MISSING`, `STORE_ERROR`, `STORE_UNAVAILABLE`, `SCHEMA_TOO_NEW`
 */
export async function openStore(url: string, options: OpenStoreOptions = {}): Promise<Store> {
  const text = url.trim();
  if (/^sqlite:/i.test(text)) {
    const path = text.slice('sqlite:'.length).replace(/^\/\/(?=\/|[A-Za-z]:)/, '');
    if (path === '') throw new FleetscoreError('STORE_URL_INVALID', `The store "sqlite:" names no file. ${FORMS}.`);
    const { openSqliteStore } = await import('./sqlite/sqlite-store.ts');
    return openSqliteStore(path, options.create ?? true, options.cacheMiB);
  }
  if (/^mssql:\/\//i.test(text) || /(^|;)\s*(server|data source|address|addr|network address)\s*=/i.test(text)) {
    const { openMssqlStore } = await import('./mssql/mssql-store.ts');
    return openMssqlStore(text, options);
  }
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(text)?.[0];
  const kind = scheme ? `starts with ${scheme}, which is no known kind` : 'is of no known kind';
  const got = text === '' ? 'is empty' : kind;
  throw new FleetscoreError('STORE_URL_INVALID', `The text that names the SQL store ${got}. ${FORMS}.`);
}
