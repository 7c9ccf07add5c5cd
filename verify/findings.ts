/**
 * What a check found. A finding means that something this project promises does not hold; a note is worth
 * knowing and breaks no promise. Only so many are kept by name, all are counted: a report stays readable.
 */

export const CHECKS = {
  closed: 'the batch is closed, and its manifest can be read',
  outcomes: 'every planned sensor has exactly one outcome',
  files: 'files on record are those of the manifest, with these bytes and hashes',
  rows: 'every sensor has a prediction for each window read, and the anomalies counted',
  totals: 'totals agree: outcomes, batch, manifest, workflow',
  alarms: 'alarms and their events follow from the predictions; what was told as begun is told as over once',
} as const;

export type CheckName = keyof typeof CHECKS;

export interface Finding {
  readonly check: CheckName;
  /** Names the thing, what is there and what should be. */
  readonly message: string;
}

export interface Findings {
  readonly found: (check: CheckName, message: string) => void;
  readonly note: (message: string) => void;
  /** The first of each check. */
  readonly list: readonly Finding[];
  readonly notes: readonly string[];
  /** All, by check. */
  readonly counts: Readonly<Record<CheckName, number>>;
}

/** Kept of each check, and of notes. */
const KEPT = 50;

export function createFindings(): Findings {
  const list: Finding[] = [];
  const notes: string[] = [];
  const counts = Object.fromEntries(Object.keys(CHECKS).map((name) => [name, 0])) as Record<CheckName, number>;
  let left = 0;
  return {
    found(check, message) {
      counts[check] += 1;
      if (counts[check] <= KEPT) list.push({ check, message });
    },
    note(message) {
      if (notes.length < KEPT) notes.push(message);
      else left += 1;
    },
    list,
    get notes() {
      return left === 0 ? notes : [...notes, `and ${left} more notes`];
    },
    counts,
  };
}
