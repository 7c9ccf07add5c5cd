/**
 * What each sensor's model looks at, and where it runs: in a pack, at a row, or by itself. A pack that cannot be used
 * is a warning, and its models run one by one; a model that cannot be read is the problem of its sensors.
 */
import { LRUCache } from 'lru-cache';
import type { PlannedSensor } from '../storage/store.ts';
import { mapLimit } from './concurrency.ts';
import type { Feature } from './features.ts';
import type { ModelCache } from './model-cache.ts';
import { readFeatures } from './model-contract.ts';
import { type ModelProblem, orProblem } from './model-problem.ts';
import { isModelInRow, type PackHeader, readPackHeader } from './packs/pack-format.ts';

/** Features of every sensor's model by sensor id, or what is wrong with it; sensors without a model are left out. */
export type FoundModels = ReadonlyMap<number, ResolvedModel | ModelProblem>;

export interface ResolvedModel {
  /** SHA-256 of the model. */
  readonly model: string;
  readonly features: readonly Feature[];
  /** Pack that it runs in, and its row there; absent when it runs by itself. */
  readonly pack?: string;
  readonly packRow?: number;
}

/** @throws FleetscoreError `BLOB_UNAVAILABLE` */
export type ResolveModels = (sensors: readonly PlannedSensor[]) => Promise<FoundModels>;

/** Features of so many models are kept; those of one kind are small. */
const MOST_FEATURES = 100_000;
/** Memory for the indexes of packs, bytes. */
const HEADER_CACHE_BYTES = 64 * 1024 * 1024;
/** Models and packs that are fetched at once. */
const FETCHES = 16;

/** @param cache where models and packs come from; what is read of them is kept in memory */
export function createModelResolver(cache: Pick<ModelCache, 'bytes'>, warn: (message: string) => void): ResolveModels {
  const features = new LRUCache<string, readonly Feature[]>({ max: MOST_FEATURES });
  const headers = new LRUCache<string, PackHeader>({
    maxSize: HEADER_CACHE_BYTES,
    sizeCalculation: (header) => header.digests.length + 1024,
  });

  const featuresOf = async (model: string): Promise<readonly Feature[]> => {
    let found = features.get(model);
    if (!found) {
      found = readFeatures(await cache.bytes('model', model));
      features.set(model, found);
    }
    return found;
  };

  /** Undefined, with a warning, when the pack cannot be used: its models still can, one by one. */
  const headerOf = async (pack: string): Promise<PackHeader | undefined> => {
    let header = headers.get(pack);
    if (!header) {
      try {
        header = readPackHeader(await cache.bytes('pack', pack));
      } catch (error) {
        warn(`pack ${pack} cannot be used, its models run one by one: ${orProblem(error).message}`);
        return undefined;
      }
      headers.set(pack, header);
    }
    return header;
  };

  return async (sensors) => {
    const packs = new Set<string>();
    for (const { pack } of sensors) if (pack !== undefined) packs.add(pack);
    const found = new Map(await mapLimit([...packs], FETCHES, async (pack) => [pack, await headerOf(pack)] as const));
    const resolved = new Map<number, ResolvedModel | ModelProblem>();
    const alone: { readonly id: number; readonly model: string }[] = [];
    for (const { id, model, pack, packRow } of sensors) {
      if (model === undefined) continue;
      const header = pack === undefined ? undefined : found.get(pack);
      if (header && pack !== undefined && packRow !== undefined) {
        if (isModelInRow(header, packRow, model)) {
          resolved.set(id, { model, features: header.features, pack, packRow });
          continue;
        }
        warn(`row ${packRow} of pack ${pack} does not hold model ${model}; it runs by itself`);
      }
      alone.push({ id, model });
    }
    await mapLimit(alone, FETCHES, async ({ id, model }) => {
      try {
        resolved.set(id, { model, features: await featuresOf(model) });
      } catch (error) {
        resolved.set(id, orProblem(error));
      }
    });
    return resolved;
  };
}
