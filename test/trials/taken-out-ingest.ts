/** Trouble of ingest that loses readings without a word, where its mend is taken out (taken-out.ts). */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ingestSince } from '../../cli/batch/verify-since.ts';
import { loadConfig } from '../../config.ts';
import { openStore } from '../../storage/open-store.ts';
import type { PartitionProgress, Store } from '../../storage/store.ts';
import { startIngestServers, type IngestServers } from '../support/ingest-servers.ts';
import { until } from '../support/until.ts';
import type { Outcome } from './taken-out-outcome.ts';

/** Ten times that without a file, and `verify` calls it missing. */
const CAPTURE_MS = 8_000;
const CAPTURE = { captureIntervalMs: CAPTURE_MS };
const HOOK = ['--import', new URL('./take-out.ts', import.meta.url).href];

interface Running {
  readonly servers: IngestServers;
  readonly store: Store;
  readonly sqlUrl: string;
  /** Readings to one partition after the other. */
  send(readings: number): Promise<void>;
  verify(): Promise<readonly string[]>;
}

async function running(dir: string, partitions: number, work: (plant: Running) => Promise<Outcome>): Promise<Outcome> {
  const bornMs = Date.now();
  const sqlUrl = `sqlite:${join(dir, 'fleet.db')}`;
  const store = await openStore(sqlUrl, { create: true });
  await store.migrate();
  const servers = await startIngestServers(dir, { partitions });
  let n = 0;
  const send = async (readings: number): Promise<void> => {
    const producer = servers.producer();
    for (let partition = 0; partition < partitions; partition++)
      await producer.sendBatch(
        Array.from({ length: readings / partitions }, () => ({
          body: { device: 'pump', sensor: `s${partition}`, ts: Date.now() + n++, value: n },
        })),
        { partitionId: String(partition) },
      );
    await producer.close();
  };
  const config = loadConfig({
    FLEETSCORE_HOME: dir,
    FLEETSCORE_EVENT_HUBS_CONNECTION_STRING: servers.eventHubs,
    FLEETSCORE_EVENT_HUB: 'readings',
    FLEETSCORE_CAPTURE_INTERVAL: `${CAPTURE_MS}ms`,
  });
  const verify = async (): Promise<readonly string[]> =>
    (await ingestSince({ config, store: async () => store, blobs: () => servers.blobs }, bornMs)).losses;
  try {
    return await work({ servers, store, sqlUrl, send, verify });
  } finally {
    await servers.stop();
    await store.close();
  }
}

const sum = (all: readonly PartitionProgress[], of: (one: PartitionProgress) => number): number =>
  all.reduce((total, one) => total + of(one), 0);

/** A hub is deleted and made anew while nobody looks, and soon has more events than were read of the one before. */
const madeAnew = (dir: string): Promise<Outcome> =>
  running(dir, 1, async ({ servers, store, sqlUrl, send, verify }) => {
    await servers.startWorker(sqlUrl, CAPTURE, { execArgv: HOOK });
    await send(200);
    const at = async (seq: number): Promise<boolean> =>
      (await store.listProgress()).some(({ appliedSeq, capturedSeq }) => appliedSeq === seq && capturedSeq === seq);
    await until(() => at(199));
    await servers.recreateHubs();
    await send(300);
    const problem = async (): Promise<string | undefined> => (await store.listProgress())[0]!.problem;
    await until(async () => (await at(299)) || (await problem()) !== undefined);
    const told = await problem();
    const lost = told === undefined ? 500 - sum(await store.listProgress(), ({ readings }) => readings) : 0;
    return { lost, of: 500, what: 'readings', told: told === undefined ? [] : [told], found: await verify() };
  });

/** Two workers, the clock of one a minute ahead: it takes every partition at each turn. */
const clockAhead = (dir: string): Promise<Outcome> =>
  running(dir, 4, async ({ servers, store, sqlUrl, send, verify }) => {
    await servers.startWorker(sqlUrl, CAPTURE, { execArgv: HOOK });
    await servers.startWorker(sqlUrl, CAPTURE, { execArgv: HOOK, env: { FLEETSCORE_CLOCK_AHEAD: '60000' } });
    let sent = 0;
    for (const end = Date.now() + 25_000; Date.now() < end; await sleep(100)) {
      await send(40);
      sent += 40;
    }
    const captured = async (): Promise<number> => sum(await store.listProgress(), ({ capturedSeq }) => capturedSeq + 1);
    await until(async () => sum(await store.listProgress(), ({ appliedSeq }) => appliedSeq + 1) === sent);
    for (const end = Date.now() + 12 * CAPTURE_MS; Date.now() < end && (await captured()) < sent;) await sleep(100);
    return {
      lost: sent - (await captured()),
      of: sent,
      what: 'events in raw capture',
      told: [],
      found: await verify(),
    };
  });

export const INGEST_CASES = { 'which hub it is': madeAnew, 'the clock of Blob': clockAhead } as const;
