/**
 * Notices what stands still although there is work and every service answers: then the trouble is in this process, and
 * a new one is the remedy. Pure; what is looked at, and what follows, is its caller's.
 */
export interface Mark {
  /** What it is of: `partition 3`. */
  readonly key: string;
  /** Moves with the work. */
  readonly value: number;
  /** False when there is nothing to do, or nobody can say. */
  readonly waiting: boolean;
}

export interface Stalled {
  readonly key: string;
  /** Since when its mark stands, ms. */
  readonly forMs: number;
}

export interface StallWatch {
  /** Those that have stood for long enough; marks that are not given are forgotten. */
  look(nowMs: number, marks: readonly Mark[]): readonly Stalled[];
}

/** Work that waits and does not move for so long stands still. */
export const STALLED_AFTER_MS = 5 * 60_000;

export function createStallWatch(afterMs: number = STALLED_AFTER_MS): StallWatch {
  let seen = new Map<string, { readonly value: number; readonly sinceMs: number }>();
  return {
    look(nowMs, marks) {
      const next = new Map<string, { readonly value: number; readonly sinceMs: number }>();
      const stalled: Stalled[] = [];
      for (const { key, value, waiting } of marks) {
        if (!waiting) continue;
        const before = seen.get(key);
        const sinceMs = before?.value === value ? before.sinceMs : nowMs;
        next.set(key, { value, sinceMs });
        if (nowMs - sinceMs >= afterMs) stalled.push({ key, forMs: nowMs - sinceMs });
      }
      seen = next;
      return stalled;
    },
  };
}
