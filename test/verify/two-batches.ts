/**
 * Two batches over one period of a small fleet, the second with models of another release and as Parquet, with raw
 * capture around it: what the commands that look behind a batch are tried on.
 */
import { afterAll, beforeAll } from '@jest/globals';
import { join } from 'node:path';
import type { Env } from '../../config.ts';
import { CONTAINERS } from '../../domain/blob-names.ts';
import type { PredictionsFormat } from '../../domain/prediction.ts';
import { createScoringEngine } from '../../scoring/engine.ts';
import { captureName } from '../../ingest/capture.ts';
import { publishModels } from '../../scoring/publish.ts';
import { smallStore, SMALL_PERIOD, WINDOW_MS, type SmallStore } from '../support/batch-fixture.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import type { CliResult } from '../support/cli.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';
import { useWarmCli } from '../support/warm-cli.ts';

export const [FIRST, SECOND] = ['20260302T100100Z-00000001', '20260302T100100Z-00000002'] as const;
export const PERIOD = ['--from', '2026-03-02T10:00:00Z', '--to', '2026-03-02T10:01:00Z'] as const;

export interface TwoBatches {
  readonly dir: string;
  readonly server: BlobServer;
  readonly small: SmallStore;
  readonly releases: readonly string[];
  cli(...args: string[]): Promise<CliResult>;
  cliWith(env: Env, ...args: string[]): Promise<CliResult>;
}

export function useTwoBatches(name: string): TwoBatches {
  const dir = tempDir(name);
  let server: BlobServer | undefined;
  let small: SmallStore | undefined;
  let releases: string[] = [];
  const warm = useWarmCli();
  const cliWith = (more: Env, ...args: string[]): Promise<CliResult> =>
    warm(dir, args, {
      FLEETSCORE_SQL_URL: `sqlite:${join(dir, 'fleet.db')}`,
      FLEETSCORE_BLOB_CONNECTION_STRING: server!.connectionString,
      TEMPORAL_ADDRESS: '127.0.0.1:9',
      ...more,
    });
  beforeAll(async () => {
    server = await startBlobServer(join(dir, 'blob'));
    const { blobs } = server;
    small = await smallStore(dir, blobs);
    const { store } = small;
    const engine = await createScoringEngine({ blobs, cacheDir: join(dir, 'cache'), threads: 1 });
    const run = (batchId: string, format: PredictionsFormat) =>
      runBatch(
        { store, blobs, engine, hopMs: WINDOW_MS, format },
        { batchId, ...SMALL_PERIOD, schedule: 'every-minute', sensorsPerChild: 5, sensorsPerActivity: 5 },
      );
    try {
      await run(FIRST, 'csv');
      await publishModels(join(dir, 'models'), {
        store,
        blobs,
        nowMs: SMALL_PERIOD.toMs,
        release: 'second',
      });
      await run(SECOND, 'parquet');
    } finally {
      await engine.close();
    }
    releases = (await store.listReleases()).map((release) => release.name);
    // Raw capture of the time: one file before the window, one inside, one after.
    await store.commitReadings({
      source: 'plant.servicebus.windows.net/readings/$default',
      partition: '0',
      expectedSeq: -1,
      throughSeq: 0,
      watermarkMs: SMALL_PERIOD.toMs,
      updates: [],
      readings: 0,
      late: 0,
      dead: 0,
    });
    for (const offset of [-400_000, -30_000, 2_000, 60_000])
      await blobs.put(
        CONTAINERS.raw,
        captureName('plant/readings/0', SMALL_PERIOD.fromMs + offset),
        Buffer.from('x'),
        'avro/binary',
      );
  }, 120_000);
  afterAll(async () => {
    await small?.store.close();
    await server?.stop();
  });
  return {
    dir,
    get server() {
      return server!;
    },
    get small() {
      return small!;
    },
    get releases() {
      return releases;
    },
    cli: (...args) => cliWith({}, ...args),
    cliWith,
  };
}
