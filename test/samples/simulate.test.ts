/** A simulated fleet that is larger than a pack: each of its models stands where the release says it does. */
import { simulateFleet } from '../../samples/simulate.ts';
import { isModelInRow, readPackHeader } from '../../scoring/packs/pack-format.ts';
import { PACK_LIMITS } from '../../scoring/packs/pack-builder.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { ReleaseModel, Store } from '../../storage/store.ts';

test('the release names the pack and the row of every model, past a full pack too', async () => {
  const packs = new Map<string, Uint8Array>();
  const blobs = {
    putIfAbsent: async (_: string, name: string, bytes: Uint8Array) => {
      packs.set(/[0-9a-f]{64}/.exec(name)![0], bytes);
      return true;
    },
  } as unknown as BlobStore;
  let models: readonly ReleaseModel[] = [];
  let ids = 0;
  const store = {
    listSensors: async () => [],
    listReleases: async () => [],
    registerSensors: async (keys: readonly unknown[]) => keys.map(() => ++ids),
    createRelease: async (_name: string, _nowMs: number, some: readonly ReleaseModel[]) => void (models = some),
    setCurrentRelease: async () => {},
    loadWindows: async () => 0,
  } as unknown as Store;
  const sensors = PACK_LIMITS.maxRows + 3;
  await simulateFleet({ store, blobs, sensors, windows: 0, fromMs: 0, intervalMs: 5_000, nowMs: 0 });
  const headers = new Map([...packs].map(([sha256, bytes]) => [sha256, readPackHeader(bytes)]));
  expect(headers.size).toBe(2);
  expect(models).toHaveLength(sensors);
  const lost = models.filter(({ model, pack, packRow }) => !isModelInRow(headers.get(pack!)!, packRow!, model));
  expect(lost).toEqual([]);
}, 60_000);
