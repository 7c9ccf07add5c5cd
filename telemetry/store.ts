/** The SQL store with a span around each of its calls, at the boundary: what the engine does inside is its own. */
import type { Store } from '../storage/store.ts';
import type { Telemetry } from './types.ts';

export function tracedStore(store: Store, telemetry: Telemetry | undefined): Store {
  return (
    telemetry?.spans(store, {
      prefix: 'sql',
      remote: true,
      attributes: { 'db.system.name': store.engine === 'mssql' ? 'microsoft.sql_server' : 'sqlite' },
    }) ?? store
  );
}
