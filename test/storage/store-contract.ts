/**
 * What every store does, whatever the engine. `open` gives an empty store, migrated; the tests of an engine
 * call this with theirs. Scale and files are each engine's own matter and are not tested here.
 */
import type { Store } from '../../storage/store.ts';
import { alarmsContract } from './contract-alarms.ts';
import { batchesContract } from './contract-batches.ts';
import { droppedContract } from './contract-dropped.ts';
import { challengesContract } from './contract-challenges.ts';
import { lateContract } from './contract-late.ts';
import { outcomesContract } from './contract-outcomes.ts';
import { peopleContract } from './contract-people.ts';
import { promotionsContract } from './contract-promotions.ts';
import { readingsContract } from './contract-readings.ts';
import { releasesContract } from './contract-releases.ts';
import { retiredContract } from './contract-retired.ts';
import { sensorsContract } from './contract-sensors.ts';
import { makeTools, type ContractOptions, type ContractTools } from './contract-tools.ts';

export function storeContract(open: () => Promise<Store>, { runs }: ContractOptions): void {
  let store: Store;
  beforeAll(async () => {
    store = await open();
  });
  afterAll(() => store?.close());

  // One store serves all tests: every test has names of its own.
  const tools: ContractTools = {
    ...makeTools(() => store),
    runs,
    get store() {
      return store;
    },
  };
  sensorsContract(tools);
  readingsContract(tools);
  releasesContract(tools);
  batchesContract(tools);
  outcomesContract(tools);
  lateContract(tools);
  challengesContract(tools);
  promotionsContract(tools);
  alarmsContract(tools);
  peopleContract(tools);
  droppedContract(tools);
  retiredContract(tools);

  test('a second migration changes nothing, and the status tells what is applied', async () => {
    await Promise.all([store.migrate(), store.migrate()]);
    const status = await store.migrationStatus();
    expect(status.length).toBeGreaterThan(0);
    for (const migration of status)
      expect(migration).toEqual({
        version: expect.any(Number),
        name: expect.any(String),
        available: true,
        appliedAtMs: expect.any(Number),
      });
  });
}
