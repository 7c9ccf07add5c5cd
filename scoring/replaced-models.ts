/**
 * What a new current release means for sensors that have a model in the one before: a release is the whole mapping,
 * so a sensor that it does not name has none from then on, and is skipped in every batch.
 */
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { keyOf, type SensorKey } from '../domain/sensor.ts';
import type { ReleaseModel, Store } from '../storage/store.ts';

const PAGE = 5_000;
const SHOWN = 3;

/** Models of the current release for sensors that `named` has not. Empty where no release is current. */
export async function unnamedModels(
  store: Store,
  named: ReadonlySet<string>,
  except?: string,
): Promise<(ReleaseModel & SensorKey)[]> {
  const current = await store.currentRelease();
  if (current === undefined || current === except) return [];
  const found: (ReleaseModel & SensorKey)[] = [];
  for await (const model of modelsOfRelease(store, current)) if (!named.has(keyOf(model))) found.push(model);
  return found;
}

/** Sensors that have a model in a release, by `keyOf`. */
export async function namedSensors(store: Store, release: string): Promise<Set<string>> {
  const named = new Set<string>();
  for await (const model of modelsOfRelease(store, release)) named.add(keyOf(model));
  return named;
}

/** All models of a release, page by page. @throws FleetscoreError `RELEASE_UNKNOWN` */
export async function* modelsOfRelease(store: Store, release: string) {
  for (let after = 0; ;) {
    const page = await store.listReleaseModels(release, { after, limit: PAGE });
    yield* page;
    const last = page.at(-1);
    if (!last) return;
    after = last.sensorId;
  }
}

/** What a release says of a sensor, without what the store adds when it is read. */
export const modelOnly = ({
  sensorId,
  model,
  pack,
  packRow,
  pool,
  threshold,
  windowMs,
}: ReleaseModel): ReleaseModel => ({
  sensorId,
  model,
  ...defined({ pack, packRow, pool, threshold, windowMs }),
});

/**
 * Refuses a release that takes models away.
 * @param remedy what to do instead, as the end of a sentence
 * @throws FleetscoreError `MODELS_LOST`
 */
export function refuseLoss(lost: readonly SensorKey[], release: string, remedy: string): void {
  if (lost.length === 0) return;
  const shown = lost.slice(0, SHOWN).map(({ device, sensor }) => `${device} / ${sensor}`);
  throw new FleetscoreError(
    'MODELS_LOST',
    `release ${release} has no model for ${lost.length} ` +
      `${lost.length === 1 ? 'sensor that has' : 'sensors that have'} one now ` +
      `(${shown.join(', ')}${lost.length > SHOWN ? ', ...' : ''}): batches would skip ` +
      `${lost.length === 1 ? 'it' : 'them'}. Nothing was changed. ${remedy}`,
  );
}
