/**
 * What is wrong with an event. However many of its readings are bad, a bounded number of problems is kept word by
 * word and the rest is counted: an event of a few bytes must not make a record of megabytes.
 */

/** Stable text that people filter by. */
export type PoisonReason =
  | 'too_large'
  | 'bad_encoding' //     gzip that does not inflate, bytes that are not UTF-8
  | 'not_json'
  | 'not_a_reading' //    JSON, but not an object
  | 'missing_field'
  | 'bad_time'
  | 'time_out_of_range'
  | 'bad_name'
  | 'bad_value'
  | 'too_many_sensors' // its device, or the fleet, may have no more
  | 'bad_row' //          of a file: no reading, or one that a file may not have
  | 'unreadable' //       reading it failed in a way that nobody foresaw
  | 'store_refused'; //   the store does not take it, and takes others

export interface Problem {
  readonly reason: PoisonReason;
  readonly message: string;
  /** Position in the array, when the body is one. */
  readonly index?: number;
}

/** Readings and whole events that were not taken, by reason. */
export type ReasonCounts = Readonly<Partial<Record<PoisonReason, number>>>;

export interface Findings {
  /** The first ones. */
  readonly problems: readonly Problem[];
  /** All of them. */
  readonly reasons: ReasonCounts;
}

/** Problems of an event that are kept word by word. */
export const MOST_PROBLEMS = 20;

/** `first`, and then `more`: the first problems and the counts of all. */
export function addProblems(first: Findings | undefined, more: Findings): Findings {
  if (!first) return more;
  const reasons = { ...first.reasons };
  for (const [reason, count] of Object.entries(more.reasons) as [PoisonReason, number][])
    reasons[reason] = (reasons[reason] ?? 0) + count;
  return { problems: [...first.problems, ...more.problems].slice(0, MOST_PROBLEMS), reasons };
}

export const oneProblem = (problem: Problem, times = 1): Findings => ({
  problems: [problem],
  reasons: { [problem.reason]: times },
});

export const countOf = ({ reasons }: { readonly reasons?: ReasonCounts }): number =>
  reasons === undefined ? 0 : Object.values(reasons).reduce((sum, count) => sum + count, 0);

/** Gathers the problems of one event. */
export function gatherProblems(): {
  add(problem: Problem): void;
  /** Undefined when there were none. */
  readonly found: Findings | undefined;
} {
  const problems: Problem[] = [];
  const reasons: Partial<Record<PoisonReason, number>> = {};
  return {
    add(problem) {
      if (problems.length < MOST_PROBLEMS) problems.push(problem);
      reasons[problem.reason] = (reasons[problem.reason] ?? 0) + 1;
    },
    get found() {
      return problems.length === 0 ? undefined : { problems, reasons };
    },
  };
}
