/**
 * What the model of a sensor takes for normal, by release. Models never change, so what was read of one is kept. Where
 * it cannot be told, that is said with its reason: a band that is only guessed would be believed.
 */
import { CONTAINERS, modelBlob } from '../../domain/blob-names.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { isKnown, readNormal, type KnownModel, type OpaqueModel, type Range } from '../../scoring/normal-range.ts';
import type { Threshold } from '../../domain/threshold.ts';
import { keptByKey } from '../cache.ts';
import type { UiDeps } from '../deps.ts';

export type Normal =
  /** One feature of the window: these values of it are normal. */
  | { readonly kind: 'range'; readonly model: KnownModel; readonly feature: string; readonly ranges: readonly Range[] }
  /** Several features together: what is normal of one depends on the others. */
  | { readonly kind: 'several'; readonly model: KnownModel }
  /** A model that only answers. */
  | { readonly kind: 'unknown'; readonly model: OpaqueModel }
  | { readonly kind: 'none'; readonly why: string };

export type NormalOf = (sensorId: number, release: string) => Promise<Normal>;

/** Models kept, and answers to who has which. */
const MOST_MODELS = 2_000;
const MOST_SENSORS = 20_000;

export function openNormal({ store, blobs }: Pick<UiDeps, 'store' | 'blobs'>): NormalOf {
  const models = keptByKey(MOST_MODELS, async (key): Promise<Normal> => {
    const [sha256, threshold] = JSON.parse(key) as [string, Threshold | null];
    try {
      return normalOf(
        readNormal(await (await blobs()).get(CONTAINERS.models, modelBlob(sha256))),
        threshold ?? undefined,
      );
    } catch (error) {
      // One that is missing or damaged fails its sensors, and its batch says so.
      if (error instanceof FleetscoreError && !error.retryable)
        return { kind: 'none', why: 'its model cannot be read' };
      throw error;
    }
  });
  const bySensor = keptByKey(MOST_SENSORS, async (key): Promise<Normal> => {
    const [id, release] = JSON.parse(key) as [number, string];
    if (release === '') return { kind: 'none', why: 'no release was planned' };
    const [found] = await (await store()).listReleaseModels(release, { after: id - 1, limit: 1 });
    return found?.sensorId === id
      ? models(JSON.stringify([found.model, found.threshold ?? null]))
      : { kind: 'none', why: `release ${release} has no model of it` };
  });
  return (sensorId, release) => bySensor(JSON.stringify([sensorId, release]));
}

function normalOf(known: KnownModel | OpaqueModel, threshold: Threshold | undefined): Normal {
  if (!isKnown(known)) return { kind: 'unknown', model: known };
  const model: KnownModel = { ...known, normal: (row, feature) => known.normal(row, feature, threshold) };
  const [feature, ...more] = model.features;
  if (feature === undefined || more.length > 0) return { kind: 'several', model };
  return { kind: 'range', model, feature, ranges: model.normal([0], 0) };
}

/** The normal values of what charts draw, the mean of a window; undefined where they are not known. */
export const bandOf = (normal: Normal): readonly Range[] | undefined =>
  normal.kind === 'range' && normal.feature === 'mean' ? normal.ranges : undefined;

/** Why a chart has no band, for people; undefined where it has one. */
export function noBand(normal: Normal): string | undefined {
  if (bandOf(normal)) return undefined;
  switch (normal.kind) {
    case 'range':
      return `its model looks at ${normal.feature} of each window, not at the mean that is drawn`;
    case 'several':
      return (
        `its model looks at ${normal.model.features.length} features together ` +
        `(${normal.model.features.join(', ')}): what is normal of one depends on the others`
      );
    case 'unknown':
      return 'its model only answers normal or not: its file does not tell the values in between';
    default:
      return normal.why;
  }
}
