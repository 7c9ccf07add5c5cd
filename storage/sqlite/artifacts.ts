/**
 * Names of models and packs, and the integer keys that stand for them. A name keeps its key for ever, so what a
 * committed read found holds without asking again: the models that a chunk plans are those that its outcomes name.
 */
import { LRUCache } from 'lru-cache';
import { plannedKeys } from '../planned-models.ts';
import type { Connection } from './connection.ts';

export const ARTIFACT_SQL = {
  add: 'INSERT INTO artifacts (name) VALUES (?) ON CONFLICT (name) DO NOTHING',
  key: 'SELECT id FROM artifacts WHERE name = ?',
  name: 'SELECT name FROM artifacts WHERE id = ?',
} as const;

/** Packs hold a thousand models each. */
const MOST_NAMES = 2_000;
/** Names of packs by key. */
const known = new WeakMap<Connection, LRUCache<number, string>>();

/** The name of a key that a row holds. */
export function artifactName(db: Connection, key: number): string {
  let names = known.get(db);
  if (!names) known.set(db, (names = new LRUCache({ max: MOST_NAMES })));
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
  const planned = plannedKeys(db, batchKey, first);
  const keyOf = artifactKeys(db);
  return (sensorId, model) => planned(sensorId, model) ?? keyOf(model);
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
