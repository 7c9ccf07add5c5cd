/**
 * The models of sensors that were planned, kept until their outcomes come, of either engine: a name of a model keeps
 * its integer key for ever, and the models that a chunk plans are those that its outcomes name. Nothing is then looked
 * up, nor sent, by name. What is rolled back takes its keys along: only what a committed read found is kept.
 */
import { LRUCache } from 'lru-cache';

/** Lists of planned sensors that are kept: those of the chunks under way. */
const MOST_PLANNED = 32;

/** By sensor id ascending. */
interface PlannedModels {
  readonly sensorIds: readonly number[];
  readonly models: readonly (string | null)[];
  readonly keys: readonly (number | null)[];
}

/** Of each store, by batch and first sensor. */
const known = new WeakMap<object, LRUCache<string, PlannedModels>>();

const placeOf = (batchKey: number, first: number): string => `${batchKey}/${first}`;

export function rememberPlanned(store: object, batchKey: number, found: PlannedModels): void {
  if (found.sensorIds.length === 0) return;
  let planned = known.get(store);
  if (!planned) known.set(store, (planned = new LRUCache({ max: MOST_PLANNED })));
  planned.set(placeOf(batchKey, found.sensorIds[0]!), found);
}

/**
 * The keys of models of a chunk whose first sensor is `first`, to be asked for by sensor id ascending; undefined for
 * one that was not planned here. They are handed out once, and then forgotten: a worker of a large fleet would keep the
 * names of a hundred thousand models for nobody. A commit that is tried again looks them up.
 */
export function plannedKeys(
  store: object,
  batchKey: number,
  first: number,
): (sensorId: number, model: string) => number | undefined {
  const place = placeOf(batchKey, first);
  const planned = known.get(store)?.get(place);
  known.get(store)?.delete(place);
  let at = 0;
  return (sensorId, model) => {
    if (!planned) return undefined;
    while (at < planned.sensorIds.length && planned.sensorIds[at]! < sensorId) at++;
    if (planned.sensorIds[at] !== sensorId || planned.models[at] !== model) return undefined;
    return planned.keys[at] ?? undefined;
  };
}
