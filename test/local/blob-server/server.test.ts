/**
 * The Blob server of the laptop stack and azurite answer the same to the client that the product uses: each test runs
 * against both. What only ours promises (nothing answered is lost by a kill) follows in restart.test.ts.
 */
import {
  AnonymousCredential,
  BlobSASPermissions,
  BlobServiceClient,
  ContainerClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  RestError,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { createHash, randomBytes } from 'node:crypto';
import { get } from 'node:http';
import { EMULATOR_ACCOUNT } from '../../../local/blob-server/server.ts';
import { startAzurite } from '../../support/azurite.ts';
import { startOwnBlobServer } from '../../support/own-blob-server.ts';
import { tempDir } from '../../support/temp.ts';

interface Server {
  readonly connectionString: string;
  stop(): Promise<void>;
}

const refused = async (work: Promise<unknown>): Promise<{ status: number | undefined; code: string | undefined }> => {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(RestError);
  const { statusCode, code } = error as RestError;
  return { status: statusCode, code };
};
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe.each([
  ['ours', (): Promise<Server> => startOwnBlobServer(`${tempDir('own-blobs')}/blobs`)],
  ['azurite', (): Promise<Server> => startAzurite(tempDir('azurite-blobs'))],
])('%s', (name, start) => {
  let server: Server;
  let service: BlobServiceClient;
  let container: ContainerClient;
  beforeAll(async () => {
    server = await start();
    service = BlobServiceClient.fromConnectionString(server.connectionString, { retryOptions: { maxTries: 1 } });
    container = service.getContainerClient('models');
    await container.create();
  });
  afterAll(() => server?.stop());

  test('containers: made once, listed, described, deleted with all in them', async () => {
    expect(await refused(container.create())).toEqual({ status: 409, code: 'ContainerAlreadyExists' });
    expect(await refused(service.getContainerClient('No').create())).toMatchObject({ status: 400 });
    const other = service.getContainerClient('old-one');
    await other.create();
    await other.getBlockBlobClient('a').upload('x', 1);
    const names: string[] = [];
    for await (const one of service.listContainers()) names.push(one.name);
    expect(names).toEqual(expect.arrayContaining(['models', 'old-one']));
    expect(await other.exists()).toBe(true);
    await other.delete();
    expect(await other.exists()).toBe(false);
    expect(await refused(other.getBlockBlobClient('a').upload('x', 1))).toEqual({
      status: 404,
      code: 'ContainerNotFound',
    });
  });

  test('a block blob: headers, metadata, ranges, conditions, deletion', async () => {
    const blob = container.getBlockBlobClient('dir/Kühler 1?&=+%.csv');
    const put = await blob.upload('hello world', 11, {
      blobHTTPHeaders: { blobContentType: 'text/csv', blobCacheControl: 'no-cache' },
      metadata: { sequencenumber: '12', offset: '0' },
    });
    const seen = await blob.getProperties();
    expect(seen).toMatchObject({
      contentLength: 11,
      contentType: 'text/csv',
      cacheControl: 'no-cache',
      blobType: 'BlockBlob',
      metadata: { sequencenumber: '12', offset: '0' },
      etag: put.etag,
    });
    expect((await blob.downloadToBuffer(6, 3)).toString()).toBe('wor');
    expect((await blob.downloadToBuffer(6)).toString()).toBe('world');
    // azurite answers with nothing; the service's reference says 416.
    if (name === 'ours') expect(await refused(blob.download(11, 5))).toEqual({ status: 416, code: 'InvalidRange' });

    const never = { conditions: { ifNoneMatch: '*' } };
    expect(await refused(blob.upload('x', 1, never))).toEqual({ status: 409, code: 'BlobAlreadyExists' });
    expect(await refused(blob.upload('x', 1, { conditions: { ifMatch: '"0x1"' } }))).toEqual({
      status: 412,
      code: 'ConditionNotMet',
    });
    expect(await refused(blob.download(0, undefined, { conditions: { ifMatch: '"0x1"' } }))).toMatchObject({
      status: 412,
    });
    expect(await refused(blob.getProperties({ conditions: { ifNoneMatch: put.etag! } }))).toMatchObject({
      status: 304,
    });
    const changed = await blob.setMetadata({ a: 'b' }, { conditions: { ifMatch: put.etag! } });
    expect(changed.etag).not.toBe(put.etag);
    await blob.setHTTPHeaders({ blobContentType: 'application/json' });
    expect(await blob.getProperties()).toMatchObject({ metadata: { a: 'b' }, contentType: 'application/json' });
    await blob.delete({ deleteSnapshots: 'include' });
    expect(await refused(blob.getProperties())).toMatchObject({ status: 404 });
    expect(await refused(blob.download())).toEqual({ status: 404, code: 'BlobNotFound' });
    expect(await blob.deleteIfExists()).toMatchObject({ succeeded: false });
  });

  test('a large blob in blocks, and one in a single request, come back whole and in ranges', async () => {
    const body = randomBytes(9 * 1024 * 1024 + 17);
    const blob = container.getBlockBlobClient('large');
    await blob.uploadData(body, { maxSingleShotSize: 1024 * 1024, blockSize: 1024 * 1024, concurrency: 3 });
    expect(sha(await blob.downloadToBuffer())).toBe(sha(body));
    expect(
      (await blob.downloadToBuffer(1024 * 1024 - 5, 11)).equals(body.subarray(1024 * 1024 - 5, 1024 * 1024 + 6)),
    ).toBe(true);
    expect((await blob.getBlockList('committed')).committedBlocks).toHaveLength(10);
    await blob.uploadData(body.subarray(1), { maxSingleShotSize: 64 * 1024 * 1024 });
    expect(sha(await blob.downloadToBuffer())).toBe(sha(body.subarray(1)));
  });

  test('blocks are a blob only when a list names them, from either side', async () => {
    const blob = container.getBlockBlobClient('blocks');
    const id = (n: number): string => Buffer.from(`block-${n}`).toString('base64');
    await blob.stageBlock(id(1), 'one', 3);
    await blob.stageBlock(id(2), 'two', 3);
    expect(await blob.exists()).toBe(false);
    expect((await blob.getBlockList('uncommitted')).uncommittedBlocks?.map((b) => b.size)).toEqual([3, 3]);
    await blob.commitBlockList([id(2), id(1)]);
    expect((await blob.downloadToBuffer()).toString()).toBe('twoone');
    await blob.stageBlock(id(3), 'three', 5);
    await blob.commitBlockList([id(1), id(3)]);
    expect((await blob.downloadToBuffer()).toString()).toBe('onethree');
    expect(await refused(blob.commitBlockList([id(9)]))).toEqual({ status: 400, code: 'InvalidBlockList' });
    expect((await blob.downloadToBuffer()).toString()).toBe('onethree');
  });

  test('an append blob: created once, grown at the position that is expected only', async () => {
    const blob = container.getAppendBlobClient('log.jsonl');
    await blob.createIfNotExists({ blobHTTPHeaders: { blobContentType: 'application/x-ndjson' } });
    expect(await blob.createIfNotExists()).toMatchObject({ succeeded: false });
    await blob.appendBlock('abc', 3, { conditions: { appendPosition: 0 } });
    expect(await refused(blob.appendBlock('xyz', 3, { conditions: { appendPosition: 0 } }))).toEqual({
      status: 412,
      code: 'AppendPositionConditionNotMet',
    });
    const large = randomBytes(300_000);
    await blob.appendBlock(large, large.length, { conditions: { appendPosition: 3 } });
    const last = await blob.appendBlock('end', 3);
    expect(last).toMatchObject({ blobAppendOffset: '300003', blobCommittedBlockCount: 3 });
    expect(sha(await blob.downloadToBuffer())).toBe(
      sha(Buffer.concat([Buffer.from('abc'), large, Buffer.from('end')])),
    );
    expect((await blob.downloadToBuffer(300_002, 3)).subarray(1).toString()).toBe('en');
    expect(await blob.getProperties()).toMatchObject({ blobType: 'AppendBlob', contentLength: 300_006 });
    const block = container.getBlockBlobClient('not-append');
    await block.upload('x', 1);
    expect(await refused(block.getAppendBlobClient().appendBlock('a', 1))).toMatchObject({ status: 409 });
  });

  test('lists: by prefix, in pages, by folders, with metadata', async () => {
    const lists = service.getContainerClient('lists');
    await lists.create();
    const names = ['a/1', 'a/2', 'a/b/3', 'a!', 'b', 'c/ü', 'c/𝛼', 'c/z', 'd&<>"'];
    for (const name of names)
      await lists.getBlockBlobClient(name).upload('x', 1, { metadata: { ownerid: `of ${name.codePointAt(0)}` } });
    const flat: string[] = [];
    for await (const page of lists.listBlobsFlat().byPage({ maxPageSize: 2 })) {
      expect(page.segment.blobItems.length).toBeLessThanOrEqual(2);
      flat.push(...page.segment.blobItems.map((item) => item.name));
    }
    expect(new Set(flat)).toEqual(new Set(names));
    expect(flat).toHaveLength(names.length);
    const ofC: string[] = [];
    for await (const item of lists.listBlobsFlat({ prefix: 'c/', includeMetadata: true })) {
      ofC.push(item.name);
      expect(item.metadata).toEqual({ ownerid: 'of 99' });
      expect(item.properties).toMatchObject({ contentLength: 1, blobType: 'BlockBlob' });
    }
    expect(ofC.sort()).toEqual(['c/z', 'c/ü', 'c/𝛼'].sort());
    const folders: string[] = [];
    for await (const entry of lists.listBlobsByHierarchy('/', { prefix: 'a/' }))
      folders.push(`${entry.kind} ${entry.name}`);
    expect(folders.sort()).toEqual(['blob a/1', 'blob a/2', 'prefix a/b/']);
    const top: string[] = [];
    for await (const page of lists.listBlobsByHierarchy('/').byPage({ maxPageSize: 2 }))
      top.push(...(page.segment.blobPrefixes ?? []).map((p) => p.name), ...page.segment.blobItems.map((b) => b.name));
    expect(top.sort()).toEqual(['a!', 'a/', 'b', 'c/', 'd&<>"'].sort());
  });

  test('leases keep others out until they are released or broken', async () => {
    const blob = container.getBlockBlobClient('leased');
    await blob.upload('x', 1);
    const lease = blob.getBlobLeaseClient();
    await lease.acquireLease(15);
    expect(await refused(blob.getBlobLeaseClient().acquireLease(15))).toEqual({
      status: 409,
      code: 'LeaseAlreadyPresent',
    });
    expect(await refused(blob.upload('y', 1))).toEqual({ status: 412, code: 'LeaseIdMissing' });
    await blob.upload('z', 1, { conditions: { leaseId: lease.leaseId } });
    expect(await blob.getProperties()).toMatchObject({ leaseState: 'leased', leaseStatus: 'locked' });
    await lease.renewLease();
    await lease.releaseLease();
    await blob.upload('free', 4);
    await lease.acquireLease(-1);
    await lease.breakLease(0);
    await blob.upload('broken', 6);
    expect((await blob.downloadToBuffer()).toString()).toBe('broken');
  });

  test('only who has the key, or a signature of it, may ask', async () => {
    const blob = container.getBlockBlobClient('secret/ä b.txt');
    await blob.upload('x', 1);
    expect((await fetch(blob.url)).status).toBeGreaterThanOrEqual(400);
    const url = service.url;
    const wrong = new BlobServiceClient(
      url,
      new StorageSharedKeyCredential(EMULATOR_ACCOUNT.name, Buffer.from('wrong').toString('base64')),
      { retryOptions: { maxTries: 1 } },
    );
    expect(await refused(wrong.getContainerClient('models').getProperties())).toMatchObject({ status: 403 });
    const sasFor = (permissions: string, minutes: number): string =>
      generateBlobSASQueryParameters(
        {
          containerName: 'models',
          blobName: 'secret/ä b.txt',
          permissions: BlobSASPermissions.parse(permissions),
          startsOn: new Date(Date.now() - 600_000),
          expiresOn: new Date(Date.now() + minutes * 60_000),
        },
        new StorageSharedKeyCredential(EMULATOR_ACCOUNT.name, EMULATOR_ACCOUNT.key),
      ).toString();
    const signed = (query: string) =>
      new BlobServiceClient(`${url}?${query}`, new AnonymousCredential(), { retryOptions: { maxTries: 1 } })
        .getContainerClient('models')
        .getBlockBlobClient('secret/ä b.txt');
    expect((await signed(sasFor('r', 5)).downloadToBuffer()).toString()).toBe('x');
    expect(await refused(signed(sasFor('r', 5)).upload('y', 1))).toMatchObject({ status: 403 });
    expect(await refused(signed(sasFor('r', -1)).download())).toMatchObject({ status: 403 });
    expect(await refused(signed(sasFor('r', 5).replace('sp=r', 'sp=rw')).upload('y', 1))).toMatchObject({
      status: 403,
    });
    const account = service.generateAccountSasUrl(new Date(Date.now() + 60_000));
    const all = new BlobServiceClient(account, new AnonymousCredential());
    expect(await all.getContainerClient('models').exists()).toBe(true);
    const key = new StorageSharedKeyCredential(EMULATOR_ACCOUNT.name, EMULATOR_ACCOUNT.key);
    const expiresOn = new Date(Date.now() + 60_000);
    const objects = service.generateAccountSasUrl(expiresOn, undefined, 'o');
    const byObjects = new BlobServiceClient(objects, new AnonymousCredential(), { retryOptions: { maxTries: 1 } });
    expect(await refused(byObjects.getContainerClient('models').getProperties())).toMatchObject({ status: 403 });
    const permissions = ContainerSASPermissions.parse('rwdl');
    const query = generateBlobSASQueryParameters({ containerName: 'models', permissions, expiresOn }, key).toString();
    const whole = new ContainerClient(`${url}/models?${query}`, new AnonymousCredential(), {
      retryOptions: { maxTries: 1 },
    });
    const names: string[] = [];
    for await (const one of whole.listBlobsFlat({ prefix: 'secret/' })) names.push(one.name);
    expect(names).toEqual(['secret/ä b.txt']);
    expect(await refused(whole.delete())).toMatchObject({ status: 403 });
    if (name !== 'ours') return;
    // A page of the web may let its own name resolve to this machine.
    const ask = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        get(`${url}/models/secret/%C3%A4%20b.txt?${sasFor('r', 5)}`, { headers: { host } }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        }).on('error', reject);
      });
    expect(await ask('localhost:10000')).toBe(200);
    expect(await ask('devstoreaccount1.rebind.example')).toBe(400);
  });

  test('of many who write one new name at once one wins', async () => {
    const blob = container.getBlockBlobClient(`race of ${name}`);
    const tries = await Promise.allSettled(
      Array.from({ length: 12 }, (_, i) =>
        blob.upload(String(i), String(i).length, { conditions: { ifNoneMatch: '*' } }),
      ),
    );
    expect(tries.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
    expect((await blob.downloadToBuffer()).toString()).toBe(
      String(tries.findIndex((one) => one.status === 'fulfilled')),
    );
  });

  (name === 'ours' ? test : test.skip)('what it has not is said by its name', async () => {
    const there = container.getBlockBlobClient('to copy');
    await there.upload('x', 1);
    const copy = container.getBlockBlobClient('copy').syncCopyFromURL(there.url);
    await expect(copy).rejects.toMatchObject({ statusCode: 501, code: 'NotImplemented' });
    await expect(container.getPageBlobClient('page').create(512)).rejects.toMatchObject({ statusCode: 501 });
  });
});
