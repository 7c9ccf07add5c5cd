/** Engines on one Blob server for a test file of the scoring engine, closed after each test. */
import { afterEach } from '@jest/globals';
import { join } from 'node:path';
import { CONTAINERS, packBlob } from '../../domain/blob-names.ts';
import { createScoringEngine, type ScoringEngine, type ScoringEngineOptions } from '../../scoring/engine.ts';
import type { ScoreResult } from '../../scoring/score-result.ts';
import { decodeModel } from '../../scoring/onnx-proto.ts';
import { fusable } from '../../scoring/packs/kinds.ts';
import { createPackBuilder, type Pack } from '../../scoring/packs/pack-builder.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { PlannedSensor, SeriesBlock } from '../../storage/store.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { tempDir } from '../support/temp.ts';
import { INTERVAL_MS, planned, putModel, sha256Of } from './fleet.ts';

export const PERIOD = { fromMs: 0, toMs: 1_000 * INTERVAL_MS };
export const MAX_MODEL_BYTES = 100_000;
/** SHA-256 that no model has. */
export const UNKNOWN = '0'.repeat(64);
/** A Blob account that nobody answers for. */
export const NO_SERVER =
  'DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=bm90IGEgc2VjcmV0;' +
  'BlobEndpoint=http://127.0.0.1:1/devstoreaccount1;';

export interface TestEngine extends ScoringEngine {
  readonly cacheDir: string;
  readonly warnings: string[];
  run(sensors: readonly PlannedSensor[], series: SeriesBlock): Promise<ScoreResult>;
}

export interface Packed {
  readonly pack: Pack;
  readonly sensors: PlannedSensor[];
}

export interface Engines {
  /** Of the test file. */
  readonly dir: string;
  readonly server: { readonly blobs: BlobStore };
  engineWith(options?: Partial<ScoringEngineOptions>): Promise<TestEngine>;
  /** Stores these models and one pack of them. */
  putPack(models: readonly Uint8Array[], features?: readonly string[]): Promise<Packed>;
}

export function useEngines(name: string): Engines {
  const dir = tempDir(name);
  const server = useBlobServer(join(dir, 'blob'));
  let engines: ScoringEngine[] = [];
  let folders = 0;
  afterEach(async () => {
    await Promise.all(engines.map((engine) => engine.close()));
    engines = [];
  });
  return {
    dir,
    server,
    async engineWith(options = {}) {
      const warnings: string[] = [];
      const cacheDir = options.cacheDir ?? join(dir, `cache-${++folders}`);
      const engine = await createScoringEngine({
        blobs: server.blobs,
        cacheDir,
        threads: 1,
        maxModelBytes: MAX_MODEL_BYTES,
        warn: (message) => warnings.push(message),
        ...options,
      });
      engines.push(engine);
      return {
        ...engine,
        cacheDir,
        warnings,
        run: (sensors, series) => engine.score({ sensors, series, period: PERIOD, hopMs: INTERVAL_MS }),
      };
    },
    putPack: (models, features = ['mean']) => putPack(server.blobs, models, features),
  };
}

async function putPack(blobs: BlobStore, models: readonly Uint8Array[], features: readonly string[]): Promise<Packed> {
  const packs: Pack[] = [];
  const builder = createPackBuilder(async (pack) => void packs.push(pack));
  for (const bytes of models) await builder.add(await putModel(blobs, bytes), fusable(decodeModel(bytes))!, features);
  await builder.finish();
  const pack = packs[0]!;
  await blobs.putIfAbsent(CONTAINERS.models, packBlob(pack.sha256), pack.bytes, 'application/octet-stream');
  return {
    pack,
    sensors: models.map((bytes, i) => planned(i + 1, sha256Of(bytes), { pack: pack.sha256, packRow: i })),
  };
}

export const statuses = (result: ScoreResult): unknown[] =>
  result.verdicts.map(({ sensorId, status, class: why }) => [sensorId, status, why]);
