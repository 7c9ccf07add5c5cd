/** Stores of tests: SQLite files by name in one folder, migrated, and closed whatever the test does. */
import { join } from 'node:path';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';

export interface TestStores {
  sqlUrl(name: string): string;
  withStore<T>(name: string, work: (store: Store) => Promise<T>): Promise<T>;
}

export function storesIn(dir: string): TestStores {
  const sqlUrl = (name: string): string => `sqlite:${join(dir, `${name}.db`)}`;
  return {
    sqlUrl,
    async withStore(name, work) {
      const store = await openStore(sqlUrl(name));
      await store.migrate();
      try {
        return await work(store);
      } finally {
        await store.close();
      }
    },
  };
}
