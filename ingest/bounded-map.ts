/**
 * A map that forgets: keyed by what devices send, a plain one grows as long as they think of new names. Two
 * generations of half the size each; what is used moves to the younger one, and when that is full the older one
 * goes. A look at what is used often costs a look into a Map; nothing that was set within the last half is missed.
 */
export interface BoundedMap<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
}

/** @param most entries held; at least half as many are remembered */
export function boundedMap<V>(most: number): BoundedMap<V> {
  const half = Math.max(1, Math.ceil(most / 2));
  let young = new Map<string, V>();
  let old = new Map<string, V>();
  const set = (key: string, value: V): void => {
    if (young.size >= half && !young.has(key)) {
      old = young;
      young = new Map();
    }
    young.set(key, value);
  };
  return {
    get(key) {
      const value = young.get(key);
      if (value !== undefined) return value;
      const before = old.get(key);
      if (before !== undefined) set(key, before);
      return before;
    },
    set,
  };
}
