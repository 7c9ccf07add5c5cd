/**
 * The commit protocol of one partition: every event counts exactly once. The store moves windows and `appliedSeq` in
 * one transaction, and only when `appliedSeq` is still where this worker believes it to be (compare and set). When it
 * is not, what is stored is the truth: another worker was faster, or our own commit succeeded and its confirmation was
 * lost. The worker then goes on from there and drops the events that are in.
 */
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { IngestCommit, Store } from '../storage/store.ts';
import type { IngestLog } from './log.ts';
import type { RetryOptions } from './retry.ts';

export type Retry = <T>(
  what: string,
  work: () => Promise<T>,
  options?: Pick<RetryOptions, 'answers' | 'refusedAfter'>,
) => Promise<T>;

export interface CommitterDeps {
  readonly source: string;
  readonly partition: string;
  readonly store: Pick<Store, 'listProgress' | 'commitReadings'>;
  readonly retry: Retry;
  readonly log: IngestLog;
  readonly onConflict: () => void;
}

export interface Progress {
  /** Sequence number of the last event that is in the windows; -1 before the first. */
  readonly appliedSeq: number;
  /** Epoch ms; -1 before the first reading. */
  readonly watermarkMs: number;
}

/** What a commit adds, without where it starts from. What is absent stays as it is. */
export type CommitPart = Partial<Omit<IngestCommit, 'source' | 'partition' | 'expectedSeq'>>;

export interface Committer extends Progress {
  /**
   * @param refusedAfter tries after which an error of the store that does not pass is thrown; for ever when absent
   * @returns true when it is stored, and this worker stands behind it. False when the store stood elsewhere: nothing of
   *   it was stored, this worker stands where the store does, and the caller decides again what is left to do.
   * @throws FleetscoreError `PROGRESS_WENT_BACK` when the store lost what this worker had committed
   */
  commit(part: CommitPart, refusedAfter?: number): Promise<boolean>;
}

export async function loadProgress({
  source,
  partition,
  store,
  retry,
}: Pick<CommitterDeps, 'source' | 'partition' | 'store' | 'retry'>): Promise<
  Progress & { readonly capturedSeq: number }
> {
  const found = (await retry('progress', () => store.listProgress(source))).find((p) => p.partition === partition);
  return found ?? { appliedSeq: -1, capturedSeq: -1, watermarkMs: -1 };
}

export function createCommitter(deps: CommitterDeps, start: Progress): Committer {
  const { source, partition, store, retry, log } = deps;
  let { appliedSeq, watermarkMs } = start;

  const standWhereTheStoreDoes = async (): Promise<void> => {
    const stored = await loadProgress(deps);
    log.info(
      { partition, expectedSeq: appliedSeq, storedSeq: stored.appliedSeq },
      'progress was moved by another worker or an unconfirmed commit',
    );
    if (stored.appliedSeq < appliedSeq)
      throw new FleetscoreError(
        'PROGRESS_WENT_BACK',
        `the store says that partition ${partition} of ${source} is applied up to ${stored.appliedSeq}, ` +
          `but this worker had applied it up to ${appliedSeq}: the store was replaced or restored. ` +
          'Start the worker again; it reads the missing events again.',
      );
    ({ appliedSeq, watermarkMs } = stored);
  };

  return {
    async commit(part, refusedAfter) {
      const whole: IngestCommit = {
        source,
        partition,
        expectedSeq: appliedSeq,
        throughSeq: appliedSeq,
        watermarkMs,
        updates: [],
        readings: 0,
        late: 0,
        dead: 0,
        ...part,
      };
      try {
        await retry('commit', () => store.commitReadings(whole), {
          answers: ['PROGRESS_CONFLICT'],
          ...defined({ refusedAfter }),
        });
      } catch (error) {
        if (!(error instanceof FleetscoreError) || error.code !== 'PROGRESS_CONFLICT') throw error;
        deps.onConflict();
        await standWhereTheStoreDoes();
        return false;
      }
      appliedSeq = whole.throughSeq;
      watermarkMs = whole.watermarkMs;
      return true;
    },
    get appliedSeq() {
      return appliedSeq;
    },
    get watermarkMs() {
      return watermarkMs;
    },
  };
}
