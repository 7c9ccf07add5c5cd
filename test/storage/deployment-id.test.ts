/** Two stores on one Blob account: the second is refused by name before it writes anything. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild, untilReady } from '../../local/child.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import { adoptBlobs, checkDeployment, claimDeployment } from '../../storage/deployment-id.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { codeFile } from '../../paths.ts';
import { cleanEnv } from '../support/cli.ts';
import { startIngestServers, type IngestServers } from '../support/ingest-servers.ts';
import { startOwnBlobServer } from '../support/own-blob-server.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('two-stores');
let servers: IngestServers;
const stores: Store[] = [];
const urlOf = (name: string): string => `sqlite:${join(dir, `${name}.db`)}`;

async function storeOf(name: string): Promise<Store> {
  const store = await openStore(urlOf(name));
  await store.migrate();
  stores.push(store);
  return store;
}

beforeAll(async () => {
  servers = await startIngestServers(dir);
}, 60_000);
afterAll(async () => {
  for (const store of stores) await store.close();
  await servers?.stop();
});

/** A real ingest worker of a store on the servers of all. */
function ingestWorker(name: string): ReturnType<typeof startChild> {
  return startChild({
    name: 'ingest worker',
    file: codeFile('workers/ingest'),
    logFile: join(dir, `${name}.log`),
    env: {
      ...cleanEnv(),
      FLEETSCORE_HOME: join(dir, name),
      FLEETSCORE_SQL_URL: urlOf(name),
      FLEETSCORE_BLOB_CONNECTION_STRING: servers.blob,
      FLEETSCORE_EVENT_HUBS_CONNECTION_STRING: servers.eventHubs,
    },
  });
}

test('the first store gives the account its id; a second store is refused, and no partition is taken', async () => {
  const first = await storeOf('first');
  const second = await storeOf('second');
  const worker = ingestWorker('first');
  await untilReady(worker, 60_000);
  const owners = async (): Promise<string[]> => {
    const names: string[] = [];
    for await (const { name } of servers.blobs.list('checkpoints', '')) names.push(name);
    return names;
  };
  while (!(await owners()).some((name) => name.includes('/ownership/'))) await sleep(50);
  await worker.stop();
  const before = await owners();
  const id = (await first.findSetting('deployment_id'))!;
  expect(id).toMatch(/^[0-9a-f-]{36}$/);

  const other = ingestWorker('second');
  await expect(untilReady(other, 60_000)).rejects.toThrow(/BLOB_OF_ANOTHER_STORE|belongs to deployment/);
  const otherId = (await second.findSetting('deployment_id'))!;
  expect(await second.listProgress()).toEqual([]);
  expect(await owners()).toEqual(before);

  for (const role of ['ingest', 'batches'] as const) {
    const blobs = createBlobStore({ connectionString: servers.blob });
    expect(await claimDeployment(first, blobs, role)).toBe(id);
    await expect(claimDeployment(second, blobs, role)).rejects.toMatchObject({
      code: 'BLOB_OF_ANOTHER_STORE',
      message: expect.stringMatching(new RegExp(`${id}.*${otherId}.*db adopt --blobs-of ${id}`)),
    });
    await expect(checkDeployment(second, blobs, role)).rejects.toMatchObject({ code: 'BLOB_OF_ANOTHER_STORE' });
  }
}, 120_000);

test('of two stores that come to a new account at once one gets it', async () => {
  const blobs = createBlobStore({ connectionString: servers.blob });
  for (let round = 0; round < 5; round++) {
    for (const container of ['checkpoints', 'predictions'] as const)
      await blobs.delete(container, 'fleetscore-deployment.json');
    const pair = [await storeOf(`a${round}`), await storeOf(`b${round}`)];
    const ends = await Promise.allSettled(pair.map((store) => claimDeployment(store, blobs, 'ingest')));
    expect(ends.map((end) => end.status).sort()).toEqual(['fulfilled', 'rejected']);
  }
});

test('a store that takes the place of one that is gone gets the account, when somebody says so', async () => {
  const blobs = createBlobStore({ connectionString: servers.blob });
  const next = await storeOf('next');
  const error = await claimDeployment(next, blobs, 'ingest').catch((e: unknown) => e as Error);
  const owner = /deployment ([0-9a-f-]{36})/.exec((error as Error).message)![1]!;
  await expect(adoptBlobs(next, blobs, 'somebody')).rejects.toMatchObject({ code: 'BLOB_OF_ANOTHER_STORE' });
  const { id, before } = await adoptBlobs(next, blobs, owner);
  expect(before).toEqual([owner]);
  expect(await claimDeployment(next, blobs, 'ingest')).toBe(id);
  expect(await claimDeployment(next, blobs, 'batches')).toBe(id);
  expect(await checkDeployment(next, blobs)).toBe(id);
});

test('a new account without containers belongs to nobody yet', async () => {
  const server = await startOwnBlobServer(join(dir, 'bare'));
  try {
    const store = await storeOf('bare');
    await store.claimSetting('deployment_id', 'x');
    expect(await checkDeployment(store, createBlobStore({ connectionString: server.connectionString }))).toBe('x');
  } finally {
    await server.stop();
  }
});
