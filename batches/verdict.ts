/** How a closed batch ended: completed, or failed as one of the classes of domain/batch-failure.ts. Pure. */
import type { BatchClass } from '../domain/batch-failure.ts';
import type { OutcomeCounts } from '../domain/outcome.ts';
import type { BatchEnd } from '../storage/store.ts';
import type { FinishInput } from '../workflows/activities.ts';
import type { Cause } from './failures.ts';

export interface Verdict {
  readonly status: BatchEnd;
  /** With `failed`. */
  readonly class?: BatchClass;
  readonly message?: string;
}

type Tolerances = Pick<
  FinishInput,
  'ending' | 'message' | 'class' | 'toleratedFailurePercentage' | 'toleratedFailureCount' | 'toleratedSkippedPercentage'
>;

/**
 * Completed within what is tolerated, failed past it, with the causes by name. A batch that scored nothing although
 * there were readings has failed whatever is tolerated: its models were taken away, or never published.
 */
export function judge(input: Tolerances, planned: number, counts: OutcomeCounts, causes: readonly Cause[]): Verdict {
  if (input.ending === 'cancelled') return { status: 'cancelled', message: 'cancelled by request' };
  if (input.ending === 'aborted')
    return {
      status: 'failed',
      class: input.class ?? 'internal',
      message: input.message ?? 'the workflow was aborted',
    };
  return (
    tooManyFailed(input, planned, counts, causes) ?? tooManySkipped(input, planned, counts) ?? { status: 'completed' }
  );
}

function tooManyFailed(
  input: Tolerances,
  planned: number,
  counts: OutcomeCounts,
  causes: readonly Cause[],
): Verdict | undefined {
  const byPercentage = counts.failed * 100 > input.toleratedFailurePercentage * planned;
  const byCount = input.toleratedFailureCount !== undefined && counts.failed > input.toleratedFailureCount;
  if (!byPercentage && !byCount) return undefined;
  const limit = byCount ? `${input.toleratedFailureCount} sensors` : `${input.toleratedFailurePercentage} %`;
  const top = causes
    .slice(0, 5)
    .map(
      (cause) =>
        `${cause.count} x ${cause.class} (${cause.example.device} / ${cause.example.sensor}: ${cause.example.message})`,
    );
  return {
    status: 'failed',
    class: 'sensors_failed',
    message: `${counts.failed} of ${planned} sensors failed, more than the tolerated ${limit}: ${top.join('; ')}`,
  };
}

function tooManySkipped(input: Tolerances, planned: number, counts: OutcomeCounts): Verdict | undefined {
  const { skipped, scored, windows } = counts;
  if (scored === 0 && skipped > 0 && windows > 0)
    return {
      status: 'failed',
      class: 'nothing_scored',
      message:
        `none of ${planned} sensors was scored although there are readings (${windows} windows): ${skipped} ` +
        'were skipped, those with readings because the release has no model for them',
    };
  const limit = input.toleratedSkippedPercentage;
  if (limit === undefined || skipped * 100 <= limit * planned) return undefined;
  return {
    status: 'failed',
    class: 'sensors_skipped',
    message:
      `${skipped} of ${planned} sensors were skipped, for want of readings or of a model, more than the ` +
      `tolerated ${limit} %`,
  };
}
