/** What is recorded of challengers, from rows of either engine. */
import type { OutcomeStatus } from '../domain/outcome.ts';
import { STATUSES } from './outcome-rows.ts';
import type { ChallengeSummary } from '../domain/challenge.ts';

/** What is recorded of a challenger beside one base, by status and class. */
export interface ChallengeCountsRow {
  readonly base: string;
  readonly challenger: string;
  readonly status: number;
  readonly class: string | null;
  readonly scorings: number | string;
  readonly windows: number | string;
  readonly both: number | string;
  readonly onlyBase: number | string;
  readonly onlyChallenger: number | string;
}

/** The batches and sensors behind them; the newest batch first. */
export interface ChallengeRow {
  readonly base: string;
  readonly challenger: string;
  readonly batches: number;
  readonly fromMs: number | string;
  readonly toMs: number | string;
  readonly sensors: number;
  readonly differing: number;
}

export function toChallengeSummaries(
  overview: readonly ChallengeRow[],
  counts: readonly ChallengeCountsRow[],
): ChallengeSummary[] {
  return overview.map(({ base, challenger, fromMs, toMs, ...row }) => {
    const mine = counts.filter((c) => c.base === base && c.challenger === challenger);
    const sum = (of: (row: ChallengeCountsRow) => number | string, status?: OutcomeStatus): number =>
      mine.reduce((total, c) => total + (status === undefined || STATUSES[c.status] === status ? Number(of(c)) : 0), 0);
    const failures = mine.filter((c) => STATUSES[c.status] === 'failed');
    return {
      ...row,
      base,
      challenger,
      fromMs: Number(fromMs),
      toMs: Number(toMs),
      scored: sum((c) => c.scorings, 'scored'),
      skipped: sum((c) => c.scorings, 'skipped'),
      failed: sum((c) => c.scorings, 'failed'),
      causes: Object.fromEntries(failures.map((c) => [c.class ?? 'internal', Number(c.scorings)])),
      windows: sum((c) => c.windows),
      both: sum((c) => c.both),
      onlyBase: sum((c) => c.onlyBase),
      onlyChallenger: sum((c) => c.onlyChallenger),
    };
  });
}
