/**
 * Names of models and packs, and the integer keys that stand for them. A name keeps its key for ever, so what a
 * committed read found holds without asking again: the models that a chunk plans are those that its outcomes name.
 */
import { LRUCache } from 'lru-cache';
import type { Connection } from './connection.ts';

export const ARTIFACT_SQL = {
  add: 'INSERT INTO artifacts (name) VALUES (?) ON CONFLICT (name) DO NOTHING',
  key: 'SELECT id FROM artifacts WHERE name = ?',
  name: 'SELECT name FROM artifacts WHERE id = ?',
} as const;

/** Packs hold a thousand models each. */
const MOST_NAMES = 2_000;
/** Lists of planned sensors that are kept for their outcomes: those of the chunks under way. */
const MOST_PLANNED = 32;

/** Models of planned sensors, by sensor id ascending. */
export interface PlannedModels {
  readonly sensorIds: readonly number[];
  readonly models: readonly (string | null)[];
  readonly keys: readonly (number | null)[];
}

interface Known {
  /** Names of packs by key. */
  readonly names: LRUCache<number, string>;
  /** By batch and first sensor. */
  readonly planned: LRUCache<string, PlannedModels>;
}

const known = new WeakMap<Connection, Known>();

function knownOf(db: Connection): Known {
  let found = known.get(db);
  if (!found) {
    found = { names: new LRUCache({ max: MOST_NAMES }), planned: new LRUCache({ max: MOST_PLANNED }) };
    known.set(db, found);
  }
  return found;
}

const placeOf = (batchKey: number, first: number): string => `${batchKey}/${first}`;

/** Keeps what was planned until its outcomes come. What is rolled back takes its keys along: committed reads only. */
export function rememberPlanned(db: Connection, batchKey: number, found: PlannedModels): void {
  if (found.sensorIds.length > 0) knownOf(db).planned.set(placeOf(batchKey, found.sensorIds[0]!), found);
}

/** The name of a key that a row holds. */
export function artifactName(db: Connection, key: number): string {
  const { names } = knownOf(db);
  let name = names.get(key);
  if (name === undefined) names.set(key, (name = db.get<{ name: string }>(ARTIFACT_SQL.name, key)!.name));
  return name;
}

/**
 * The key of the model of an outcome, added when it is new; asked for by sensor id ascending. Of a chunk that was
 * planned here nothing is looked up: in an index of names each would be a search in random order.
 */
export function outcomeKeys(
  db: Connection,
  batchKey: number,
  first: number,
): (sensorId: number, model: string) => number {
  const planned = knownOf(db).planned.get(placeOf(batchKey, first));
  const keyOf = artifactKeys(db);
  let at = 0;
  return (sensorId, model) => {
    if (planned) {
      while (at < planned.sensorIds.length && planned.sensorIds[at]! < sensorId) at++;
      if (planned.sensorIds[at] === sensorId && planned.models[at] === model) return planned.keys[at]!;
    }
    return keyOf(model);
  };
}

/** Gives each name its integer key, adding new names. Remembers them for one transaction. */
export function artifactKeys(db: Connection): (name: string) => number {
  const found = new Map<string, number>();
  return (name) => {
    let key = found.get(name);
    if (key === undefined) {
      key = db.get<{ id: number }>(ARTIFACT_SQL.key, name)?.id;
      if (key === undefined) {
        db.run(ARTIFACT_SQL.add, name);
        key = db.get<{ id: number }>(ARTIFACT_SQL.key, name)!.id;
      }
      found.set(name, key);
    }
    return key;
  };
}
