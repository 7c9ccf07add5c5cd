/**
 * A map that forgets: keyed by what devices send, a plain one grows as long as they think of new names. Two
 * generations of half the size each; what is used moves to the younger one, and when that is full the older one
 * goes. A look at what is used often costs a look into a Map; nothing that was set within the last half is missed.
 */
export interface BoundedMap<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
}

/** Two generations of what is remembered. */
export interface Generations<T> {
  readonly young: T;
  readonly old: T;
  /** Makes room for an entry that is new in the younger one: when that is full, the older one goes. */
  room(): void;
}

/** @param most entries held; at least half as many are remembered */
export function generations<T>(most: number, make: () => T): Generations<T> {
  const half = Math.max(1, Math.ceil(most / 2));
  let held = 0;
  const both = { young: make(), old: make(), room };
  function room(): void {
    if (held >= half) {
      both.old = both.young;
      both.young = make();
      held = 0;
    }
    held += 1;
  }
  return both;
}

/** @param most as {@link generations} */
export function boundedMap<V>(most: number): BoundedMap<V> {
  const both = generations(most, () => new Map<string, V>());
  const set = (key: string, value: V): void => {
    if (!both.young.has(key)) both.room();
    both.young.set(key, value);
  };
  return {
    get(key) {
      const value = both.young.get(key);
      if (value !== undefined) return value;
      const before = both.old.get(key);
      if (before !== undefined) set(key, before);
      return before;
    },
    set,
  };
}
