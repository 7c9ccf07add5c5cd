/** The embedded store against the contract. */
import { join } from 'node:path';
import { openStore } from '../../storage/open-store.ts';
import { tempDir } from '../support/temp.ts';
import { storeContract } from './store-contract.ts';

const dir = tempDir('sqlite-contract');

storeContract(
  async () => {
    const store = await openStore(`sqlite:${join(dir, 'fleet.db')}`);
    await store.migrate();
    return store;
  },
  { runs: 40 },
);
