/** A small plant with three batches in a real store and on a real Blob server, for the tests of the site. */
import { afterAll, beforeAll } from '@jest/globals';
import { join } from 'node:path';
import { recordNodes } from '../../pool/ledger.ts';
import { blobTarget, publishSite } from '../../report/index.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { tempDir } from '../support/temp.ts';
import { FROM_MS, QUARTER_MS } from './fixture.ts';
import { writeBatch, type Written } from './written-batch.ts';

/** The name of a device that is full of markup. */
export const EVIL = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>/../..%2f';
export const DEVICES = [
  'pump-1',
  'Pump-1',
  'pump-2',
  'Kühler 7',
  EVIL,
  ...Array.from({ length: 8 }, (_, i) => `fan-${i + 1}`),
];
const SENSORS = ['flow', 'vibration'];
export const NOW_MS = FROM_MS + 10 * QUARTER_MS;

/** Where the pages of a batch lie on the site. */
export const batchUrl = (id: string, quarter: number): string =>
  `batches/${new Date(FROM_MS + quarter * QUARTER_MS).toISOString().replace(/[-:]|\.000/g, '')}/${id}/`;

type Key = Pick<Written, 'id' | 'device' | 'sensor'>;

export interface SitePlant {
  readonly folder: string;
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly keys: readonly Key[];
  /** Where `publishSite` reads from. */
  source(): Parameters<typeof publishSite>[0];
  publish(ids: readonly string[]): ReturnType<typeof publishSite>;
  /** Half an hour of windows; one device in each batch has a bad time, one sensor fails, one has no data. */
  labelsIn(quarter: number): Written[];
  /** All that lies in the container, by name. */
  read(): Promise<Map<string, string>>;
}

/** Batches b0, b1 and b2, of three quarters of an hour in a row. */
export function useSitePlant(name: string): SitePlant {
  const folder = tempDir(name);
  const server = useBlobServer(join(folder, 'blobs'));
  let store: Store;
  let keys: Key[] = [];
  const plant: SitePlant = {
    folder,
    get store() {
      return store;
    },
    get blobs() {
      return server.blobs;
    },
    get keys() {
      return keys;
    },
    source: () => ({ store, blobs: server.blobs, decodePredictions, now: () => NOW_MS }),
    publish: (ids) => publishSite(plant.source(), blobTarget(server.blobs), ids, { maxSensors: 500 }),
    labelsIn: (quarter) =>
      keys.map((key, i) => {
        const labels = Array.from({ length: 60 }, (_, at): 0 | 1 =>
          key.device === DEVICES[quarter % 5] && at > 30 && at < 45 ? 1 : 0,
        );
        return { ...key, labels: i === 7 ? 'model_corrupt' : i === 12 ? 'no_data' : labels };
      }),
    async read() {
      const pages = new Map<string, string>();
      for await (const { name: page } of server.blobs.list('site', ''))
        pages.set(page, new TextDecoder().decode(await server.blobs.get('site', page)));
      return pages;
    },
  };
  beforeAll(async () => {
    store = await openStore(`sqlite:${join(folder, 'store.db')}`);
    await store.migrate();
    const named = DEVICES.flatMap((device) => SENSORS.map((sensor) => ({ device, sensor, unit: 'm3/h' })));
    keys = (await store.registerSensors(named)).map((id, i) => ({ ...named[i]!, id }));
    await store.createRelease('r1', 1, [], []);
    await store.createRelease('<b>v2', 2, [], []);
    await recordNodes(
      server.blobs,
      { name: 'scoring', vmSize: 'Standard_D2s_v5', priority: 'dedicated' },
      [{ id: 'n1', state: 'ready', requestedAtMs: FROM_MS, readyAtMs: FROM_MS + 1_000 }],
      NOW_MS,
    );
    for (const quarter of [0, 1, 2])
      await writeBatch({ store, blobs: server.blobs }, `b${quarter}`, quarter, plant.labelsIn(quarter), {
        schedule: 'every-15m',
      });
  });
  afterAll(() => store.close());
  return plant;
}
