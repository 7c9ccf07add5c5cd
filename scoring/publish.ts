/**
 * Publishing: check every model first, then store blobs and packs by content, then the release in one
 * transaction, and `current` last. Whatever stops it on the way, no release refers to what is not there;
 * what was stored before is found again by the next attempt.
 */
import { readFile } from 'node:fs/promises';
import { CONTAINERS, modelBlob, packBlob } from '../domain/blob-names.ts';
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { keyOf, type SensorKey } from '../domain/sensor.ts';
import type { WindowShape } from '../domain/windowing.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { ModelInfo, ReleaseModel, Store } from '../storage/store.ts';
import { mapLimit } from './concurrency.ts';
import { DEFAULT_PROVIDER, requireProvider } from './execution-provider.ts';
import { declaredModel } from './declare.ts';
import { lagOf } from './features.ts';
import type { Declared } from './model-metadata.ts';
import type { ModelProblem } from './model-problem.ts';
import { type EntryDefaults, type ModelEntry, readModelList } from './model-list.ts';
import { NO_LABEL_REMEDY } from './model-ports.ts';
import { ownWindowOf } from './own-window.ts';
import { fusable } from './packs/kinds.ts';
import { createPackBuilder, type Pack } from './packs/pack-builder.ts';
import { type CandidateFile, type CheckedModel, type CheckResult, newMarks } from './thread-protocol.ts';
import { createThreads, problemOfEnd, type Threads } from './threads.ts';
import { releaseName } from './release-name.ts';
import { slowReadings } from './slow-readings.ts';
import { releaseTaken, requireSameModels } from './publish-again.ts';
import type { BadModel, PublishSummary } from './publish-summary.ts';
import { modelOnly, refuseLoss, unnamedModels } from './replaced-models.ts';
import { verifyPack } from './packs/verify-pack.ts';
import { sha256Of } from '../domain/sha256.ts';
import { MODEL_LIMITS } from '../domain/model-limits.ts';

export interface PublishOptions {
  readonly store: Store;
  readonly blobs: BlobStore;
  /** Name of the release; by default `r-` and the time, such as `r-20261123T140000Z`. */
  readonly release?: string;
  readonly nowMs: number;
  readonly maxModelBytes?: number;
  /** Publishes the good models when some are bad; otherwise one bad model stops all. */
  readonly skipBad?: boolean;
  /** Of models that neither say it themselves nor in the manifest. */
  readonly defaults?: EntryDefaults;
  /** The fleet's windows, which those of a model must fit. Absent where they are not known. */
  readonly windows?: WindowShape;
  /** Names of the pools that models may name; none when absent. */
  readonly pools?: ReadonlySet<string>;
  /** Threads that check; default one per core. */
  readonly threads?: number;
  /** A model that runs longer in its check is bad. Default that of {@link MODEL_LIMITS}. */
  readonly modelTimeoutMs?: number;
  /** One that takes more memory in its check is bad. Default as above. */
  readonly modelMemoryBytes?: number;
  /** Execution provider of onnxruntime that models are checked with: the one they are scored with. Default `cpu`. */
  readonly executionProvider?: string;
  /** Whether the next batches score with it. Default true. */
  readonly promote?: boolean;
  /** Who publishes, for the log of promotions. */
  readonly by?: string;
  /**
   * Models of the current release for sensors that the folder does not name: part of the new release too (`merge`), or
   * gone with it (`replace`). Default `refuse`, when it is to be current and there are some.
   */
  readonly others?: 'refuse' | 'merge' | 'replace';
  readonly onProgress?: (done: number, total: number) => void;
  readonly warn?: (message: string) => void;
}

interface Good {
  readonly entry: ModelEntry;
  readonly model: CheckedModel;
  /** Of its own, ms. */
  readonly windowMs?: number;
}

const FILES_PER_CHECK = 16;
const UPLOADS = 16;
const CONTENT_TYPE = 'application/octet-stream';
const SHOWN = 50;

/**
 * Publishes the models of a folder and makes them the current release, unless told not to.
 * @throws FleetscoreError `INVALID_MODEL_LIST`, `BAD_MODELS` (names each bad one), `MODELS_LOST`, `RELEASE_EXISTS`,
 * `EXECUTION_PROVIDER_UNAVAILABLE`
 */
export async function publishModels(dir: string, options: PublishOptions): Promise<PublishSummary> {
  const { store, nowMs, warn = () => undefined, executionProvider = DEFAULT_PROVIDER } = options;
  const { maxModelBytes = MODEL_LIMITS.bytes } = options;
  const taken = new Set((await store.listReleases()).map(({ name }) => name));
  const release = releaseName(options.release, nowMs, taken);
  const entries = await readModelList(dir, options.pools, options.defaults);
  const again = taken.has(release)
    ? await requireSameModels(release, entries, { ...options, maxModelBytes })
    : undefined;
  await othersOf(entries, release, options); // before minutes of checking
  const threads = createThreads({
    ...defined({ threads: options.threads, maxModelMemoryBytes: options.modelMemoryBytes }),
    timeoutMs: options.modelTimeoutMs ?? MODEL_LIMITS.timeoutMs,
    maxModelBytes,
    maxCacheBytes: 1,
    executionProvider,
  });
  try {
    await requireProvider(threads, executionProvider);
    const results = await checkAll(entries, threads, (done) => options.onProgress?.(done, entries.length));
    const { good, bad } = sorted(entries, results, options.windows);
    if (good.length === 0 || (bad.length > 0 && !options.skipBad)) throw badModels(bad, entries.length);
    if (again !== undefined && again !== good.length) throw releaseTaken(release);

    // A new account has no container for them yet.
    await options.blobs.prepare();
    const others = await othersOf(
      good.map(({ entry }) => entry),
      release,
      options,
    );
    const kept = options.others === 'merge' ? others : [];
    const distinct = new Map(good.map(({ model }) => [model.sha256, model]));
    const declared = new Map(good.map(({ model, entry }) => [model.sha256, entry.declared]));
    const { rows, packs } = await storeModels([...distinct.values()], declared, options, threads, warn);
    const ids = await store.registerSensors(good.map(({ entry }) => ({ device: entry.device, sensor: entry.sensor })));
    const models = good.map(({ entry, model, windowMs }, i): ReleaseModel => ({
      sensorId: ids[i]!,
      model: model.sha256,
      ...rows.get(model.sha256),
      ...defined({ pool: entry.pool, threshold: entry.threshold, windowMs }),
    }));
    const infos = [...distinct.values()].map(({ sha256, bytes, kind, features }): ModelInfo => ({
      model: sha256,
      bytes,
      kind,
      features,
    }));
    if (again === undefined) await store.createRelease(release, nowMs, [...models, ...kept.map(modelOnly)], infos);
    if (options.promote !== false) await store.setCurrentRelease(release, { how: 'publish', by: options.by ?? '' });
    return {
      release,
      models: good.length,
      kept: kept.length,
      lost: options.promote === false ? 0 : others.length - kept.length,
      distinct: distinct.size,
      packed: models.filter((m) => m.pack !== undefined).length,
      packs,
      ...tally(good),
      bad,
      ...(again === undefined ? {} : { before: true }),
      ...(await slowIn(good, models, options)),
    };
  } finally {
    await threads.close();
  }
}

/** Sensors that cannot fill the earlier windows that their models look at, where there are any. */
async function slowIn(
  good: readonly Good[],
  models: readonly ReleaseModel[],
  { store, windows }: PublishOptions,
): Promise<Pick<PublishSummary, 'slow'>> {
  const looking = models.filter((_, i) => good[i]!.model.features.some((name) => lagOf(name) > 0));
  const slow = windows && (await slowReadings(store, looking, windows));
  return slow ? { slow } : {};
}

/** @param results in the order of `entries` */
function sorted(
  entries: readonly ModelEntry[],
  results: readonly CheckResult[],
  fleet: WindowShape | undefined,
): { readonly good: Good[]; readonly bad: BadModel[] } {
  const good: Good[] = [];
  const bad: BadModel[] = [];
  for (const [i, entry] of entries.entries()) {
    const result = results[i]!;
    const found = 'problem' in result ? result.problem : goodOf(entry, result, fleet);
    if ('class' in found) bad.push({ device: entry.device, sensor: entry.sensor, file: entry.file, ...found });
    else good.push(found);
  }
  return { good, bad };
}

function goodOf(entry: ModelEntry, model: CheckedModel, fleet: WindowShape | undefined): Good | ModelProblem {
  const own = ownWindowOf(entry.windowMs, model.windowMs, fleet);
  return undecided(model, entry) ?? ('class' in own ? own : { entry, model, ...own });
}

/** A model that says what is odd, and not what is too odd. */
const undecided = ({ labels }: CheckedModel, { threshold }: ModelEntry): ModelProblem | undefined =>
  labels || threshold
    ? undefined
    : {
        class: 'model_wrong_shape',
        message: `it gives a score and no label, so nothing says what an anomaly is; ${NO_LABEL_REMEDY}`,
      };

function tally(good: readonly Good[]): Pick<PublishSummary, 'kinds' | 'pools'> {
  const kinds: Record<string, number> = {};
  const pools: Record<string, number> = {};
  for (const { model, entry } of good) {
    kinds[model.kind] = (kinds[model.kind] ?? 0) + 1;
    if (entry.pool !== undefined) pools[entry.pool] = (pools[entry.pool] ?? 0) + 1;
  }
  return { kinds, pools };
}

/** Models of the current release for other sensors than these. @throws FleetscoreError `MODELS_LOST` */
async function othersOf(
  entries: readonly ModelEntry[],
  release: string,
  { store, others = 'refuse', promote = true }: PublishOptions,
): Promise<(ReleaseModel & SensorKey)[]> {
  const found = await unnamedModels(store, new Set(entries.map(keyOf)));
  if (promote && others === 'refuse')
    refuseLoss(
      found,
      release,
      'Publish with --merge to keep their models beside these, or with --replace to let them go.',
    );
  return found;
}

function badModels(bad: readonly BadModel[], total: number): FleetscoreError {
  const lines = bad.slice(0, SHOWN).map((b) => `  ${b.file} (${b.device} / ${b.sensor}): ${b.class}: ${b.message}`);
  if (bad.length > SHOWN) lines.push(`  and ${bad.length - SHOWN} more`);
  const remedy = bad.length < total ? 'Mend them, or publish the good ones alone with --skip-bad.' : 'Mend them.';
  return new FleetscoreError(
    'BAD_MODELS',
    `${bad.length} of ${total} models cannot be published; nothing was stored.\n${lines.join('\n')}\n${remedy}`,
  );
}

/** In the order of entries. A model at which a thread hangs or dies is bad; the others of its job go on. */
async function checkAll(
  entries: readonly ModelEntry[],
  threads: Threads,
  progress: (done: number) => void,
): Promise<CheckResult[]> {
  const candidates = new Map(
    entries.map((entry) => [candidateKey(entry), { path: entry.path, declared: entry.declared }]),
  );
  const results = new Map<CandidateFile, CheckResult>();
  const files = [...candidates.values()];
  const jobs: CandidateFile[][] = [];
  for (let i = 0; i < files.length; i += FILES_PER_CHECK) jobs.push(files.slice(i, i + FILES_PER_CHECK));
  let done = 0;
  await mapLimit(jobs, threads.count, async (job) => {
    let rest = job;
    while (rest.length > 0) {
      const end = await threads.run({ type: 'check', files: rest, marks: newMarks() });
      if (end.type === 'reply') {
        for (const [i, result] of end.reply.results.entries()) results.set(rest[i]!, result);
        break;
      }
      const file = rest[end.at]!;
      results.set(file, { path: file.path, problem: problemOfEnd(end) });
      rest = rest.filter((other) => other !== file);
    }
    done += job.length;
    progress(Math.min(done, entries.length));
  });
  progress(entries.length);
  return entries.map((entry) => results.get(candidates.get(candidateKey(entry))!)!);
}

const candidateKey = ({ path, declared }: ModelEntry): string => JSON.stringify([path, declared]);

type PackRow = Pick<ReleaseModel, 'pack' | 'packRow'>;

/** Stores the models and the packs made of them. `rows`: where a model is in a pack. */
async function storeModels(
  models: readonly CheckedModel[],
  declared: ReadonlyMap<string, Declared>,
  { blobs, maxModelBytes = MODEL_LIMITS.bytes }: PublishOptions,
  threads: Threads,
  warn: (message: string) => void,
): Promise<{ rows: Map<string, PackRow>; packs: number }> {
  const rows = new Map<string, PackRow>();
  const bySha = new Map(models.map((model) => [model.sha256, model]));
  let packs = 0;
  const take = async (pack: Pack): Promise<void> => {
    const { agree, problem } = await verifyPack(pack, bySha, threads);
    if (agree.length < pack.models.length)
      warn(
        `${pack.models.length - agree.length} of ${pack.models.length} models do not score the same in pack ` +
          `${pack.sha256.slice(0, 16)}; they run one by one${problem === undefined ? '' : ` (${problem})`}`,
      );
    if (agree.length === 0) return;
    await putWhole(blobs, packBlob(pack.sha256), pack.bytes, warn);
    packs++;
    for (const row of agree) rows.set(pack.models[row]!, { pack: pack.sha256, packRow: row });
  };
  const builder = createPackBuilder(take);
  for (let from = 0; from < models.length; from += UPLOADS) {
    const some = models.slice(from, from + UPLOADS);
    const found = await Promise.all(
      some.map(async (model) => {
        const file = declaredModel(await readFile(model.path), declared.get(model.sha256)!, maxModelBytes);
        if (sha256Of(file.bytes) !== model.sha256)
          throw new FleetscoreError(
            'MODEL_CHANGED',
            `${model.path} changed while it was being published. Publish again.`,
          );
        // Before anything is waited for: a graph that was read takes many times its file.
        const fused = model.probed && fusable(file.model);
        await putWhole(blobs, modelBlob(model.sha256), file.bytes, warn);
        return fused;
      }),
    );
    for (const [i, model] of some.entries()) if (found[i]) await builder.add(model.sha256, found[i], model.features);
  }
  await builder.finish();
  return { rows, packs };
}

/** Stores content under a name that derives from it. What is there already and differs is damaged, and mended. */
async function putWhole(
  blobs: BlobStore,
  name: string,
  bytes: Uint8Array,
  warn: (message: string) => void,
): Promise<void> {
  if (await blobs.putIfAbsent(CONTAINERS.models, name, bytes, CONTENT_TYPE)) return;
  if (Buffer.compare(await blobs.get(CONTAINERS.models, name), bytes) === 0) return;
  await blobs.put(CONTAINERS.models, name, bytes, CONTENT_TYPE);
  warn(`${CONTAINERS.models}/${name} was damaged in Blob storage, and is mended`);
}
