/** Readers of one partition that overlap, as the client has them after a connection was lost. */
import { afterAll, beforeAll } from '@jest/globals';
import { createPartitions } from '../../ingest/partitions.ts';
import { startIngestServers, type IngestServers } from '../support/ingest-servers.ts';
import { tempDir } from '../support/temp.ts';
import { allWindows, capturedSeqs, expectedWindows, openStage, stream, toEvents } from './pipeline-stage.ts';

const dir = tempDir('partitions');
let servers: IngestServers;
beforeAll(async () => {
  servers = await startIngestServers(dir);
}, 60_000);
afterAll(() => servers.stop());

test('what a reader holds that still closes is in raw capture, and its close leaves the next one alone', async () => {
  const stage = await openStage(dir, servers.blobs);
  const partitions = createPartitions(() => stage.open());
  const readings = stream(60);
  const events = toEvents(readings);
  const [first, second] = [{}, {}];
  try {
    await (await partitions.open('0', first)).process(events.slice(0, 20));
    // The client starts another reader before it tells that the first one has closed.
    const next = await partitions.open('0', second);
    expect(await capturedSeqs(servers.blobs, stage.folder)).toHaveLength(20);
    await next.process(events.slice(20, 40));
    expect(partitions.get('0', first)).toBeUndefined();
    partitions.drop('0', first);
    expect(partitions.get('0', second)).toBeDefined();
    await expect(partitions.open('0', first)).rejects.toMatchObject({ code: 'INGEST_STOPPED' });
    await next.process(events.slice(40));
    await next.close(true);
    partitions.drop('0', second);
    expect([partitions.has('0'), partitions.opened.size]).toEqual([false, 0]);
    expect(await allWindows(stage.store)).toEqual(expectedWindows(readings));
    expect(await capturedSeqs(servers.blobs, stage.folder)).toEqual(events.map(({ seq }) => seq));
  } finally {
    await stage.close();
  }
});
