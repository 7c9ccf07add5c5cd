/** A worker that runs notices that the store was migrated, and whether it may go on. */
import { expect, test } from '@jest/globals';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { pino } from 'pino';
import { loadMigrations } from '../../storage/migrations.ts';
import { openStore } from '../../storage/open-store.ts';
import { watchSchema } from '../../workers/schema-watch.ts';
import { tempDir } from '../support/temp.ts';

test('a worker goes on beside a schema that only grew, and ends when it has become too new', async () => {
  const file = join(tempDir('schema-watch'), 'fleet.db');
  const store = await openStore(`sqlite:${file}`);
  await store.migrate();
  let looks = 0;
  const looked = async (): Promise<void> => {
    looks += 1;
    await store.checkSchema();
  };
  const watch = watchSchema({ checkSchema: looked }, { log: pino({ level: 'silent' }) }, 10);
  let outgrown = false;
  void watch.outgrown.then(() => (outgrown = true));

  const db = new DatabaseSync(file);
  db.exec(`INSERT INTO schema_migrations VALUES (999, '999-later', 'x', 0)`);
  const before = looks;
  while (looks < before + 3) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(outgrown).toBe(false);

  db.exec(`UPDATE settings SET value = '${loadMigrations('sqlite').length + 1}' WHERE name = 'schema.compatibleFrom'`);
  expect((await watch.outgrown).code).toBe('SCHEMA_TOO_NEW');
  expect(() => watch.stop()).toThrow(/changed by a newer fleetscore/);
  db.close();
  await store.close();
});
