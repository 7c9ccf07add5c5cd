/**
 * Parsed events of one partition into the store. Exactly once: the store moves the windows and `appliedSeq` together,
 * and refuses when `appliedSeq` is not where this worker believes it to be; then what is stored counts and events that
 * are in it are dropped. An event that the store refuses for good becomes a dead letter, and the next ones go on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { SendTally } from '../domain/send-tally.ts';
import type { IngestCommit, Store } from '../storage/store.ts';
import { admit, type Admitted, type Taken } from './admit.ts';
import { applyEach } from './apply-each.ts';
import type { ReadingFilter } from './filter.ts';
import type { IngestLog } from './log.ts';
import { addProblems, countOf, oneProblem, type Findings } from './parse/problems.ts';
import type { RetryOptions } from './retry.ts';
import type { SensorIds } from './sensor-ids.ts';
import type { Totals } from './stats.ts';
import { countSends } from './tally-sends.ts';
import { buildWindows, type WindowSettings } from './windows.ts';
import type { LetterWriter } from './write-letters.ts';

export type Retry = <T>(
  what: string,
  work: () => Promise<T>,
  options?: Pick<RetryOptions, 'answers' | 'refusedAfter'>,
) => Promise<T>;

export interface ApplyDeps {
  readonly source: string;
  readonly partition: string;
  readonly store: Store;
  readonly settings: WindowSettings;
  readonly filter: ReadingFilter | undefined;
  readonly sensors: SensorIds;
  readonly letters: LetterWriter;
  readonly totals: Totals;
  readonly log: IngestLog;
  readonly retry: Retry;
  /** Ends pauses. */
  readonly giveUp: AbortSignal;
}

export interface Progress {
  readonly appliedSeq: number;
  readonly watermarkMs: number;
}

export interface Applier {
  /** Resolves when the events are in the windows, or among the dead letters. */
  apply(batch: readonly Taken[]): Promise<void>;
  readonly appliedSeq: number;
  /** Epoch ms; -1 before the first reading. */
  readonly watermarkMs: number;
}

/** Tries before an error that does not pass counts as a refusal. */
const TRIES = 3;
/** So many events refused in a row, and it may be the store rather than they: each then waits before it is set aside. */
const IN_ROW = 5;
const LONG_PAUSE_MS = 30_000;

export async function loadProgress({
  source,
  partition,
  store,
  retry,
}: Pick<ApplyDeps, 'source' | 'partition' | 'store' | 'retry'>): Promise<Progress & { readonly capturedSeq: number }> {
  const found = (await retry('progress', () => store.listProgress(source))).find((p) => p.partition === partition);
  return found ?? { appliedSeq: -1, capturedSeq: -1, watermarkMs: -1 };
}

export function createApplier(deps: ApplyDeps, start: Progress): Applier {
  const { source, partition, store, totals, log, retry } = deps;
  let { appliedSeq, watermarkMs } = start;
  let refusedInRow = 0;

  /** The whole commit; only from where this worker stands. */
  const commit = (part: Partial<IngestCommit>): IngestCommit => ({
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
  });

  /** False when the store stands elsewhere; then this worker stands there too. */
  const committed = async (what: IngestCommit, refusedAfter?: number): Promise<boolean> => {
    try {
      await retry('commit', () => store.commitReadings(what), {
        answers: ['PROGRESS_CONFLICT'],
        ...(refusedAfter === undefined ? undefined : { refusedAfter }),
      });
      return true;
    } catch (error) {
      if (!(error instanceof FleetscoreError) || error.code !== 'PROGRESS_CONFLICT') throw error;
    }
    totals.conflicts++;
    const stored = await loadProgress(deps);
    // Also the answer to a commit that did happen but whose confirmation was lost.
    log.info(
      { partition, expectedSeq: appliedSeq, storedSeq: stored.appliedSeq },
      'progress was moved by another worker or an unconfirmed commit',
    );
    if (stored.appliedSeq < appliedSeq)
      throw new FleetscoreError(
        'PROGRESS_WENT_BACK',
        `the store says that partition ${partition} of ${source} is applied up to ${stored.appliedSeq}, but this worker had applied it up to ${appliedSeq}: the store was replaced or restored. Start the worker again; it reads the missing events again.`,
      );
    ({ appliedSeq, watermarkMs } = stored);
    return false;
  };

  const applyAll = async (batch: readonly Taken[]): Promise<void> => {
    for (;;) {
      const rest = batch.filter(({ event }) => event.seq > appliedSeq);
      totals.redelivered += batch.length - rest.length;
      const last = rest.at(-1)?.event;
      if (!last) return;
      const admitted = await admit(rest, deps.filter, deps.sensors, (unknown) =>
        retry('registration of sensors', () => deps.sensors.register(unknown), { refusedAfter: TRIES }),
      );
      await deps.letters.write(withProblems(admitted));
      const windows = buildWindows(deps.settings, watermarkMs);
      const sends = countSends();
      for (const { event, readings, dropped, found } of admitted) {
        const send = sends.indexOf(event);
        const before = send > 0 ? windows.result : undefined;
        for (const { device, sensor, tsMs, value } of readings)
          windows.add({ sensorId: deps.sensors.find(device, sensor)!, tsMs, value, arrivedMs: event.enqueuedMs, send });
        if (before) sends.add(send, becameOf(before, windows.result, dropped, found));
      }
      const built = windows.result;
      const dead = admitted.reduce((sum, { found }) => sum + (found ? countOf(found) : 0), 0);
      const { updates, readings, late } = built;
      const what = commit({
        throughSeq: last.seq,
        last: { offset: last.offset, enqueuedMs: last.enqueuedMs },
        watermarkMs: built.watermarkMs,
        updates,
        readings,
        late,
        dead,
        sends: sends.results,
      });
      if (!(await committed(what, TRIES))) continue;
      appliedSeq = last.seq;
      watermarkMs = built.watermarkMs;
      if (readings > 0) refusedInRow = 0;
      totals.commits++;
      totals.events += rest.length;
      totals.readings += readings;
      totals.late += late;
      totals.tooLate += built.tooLate;
      totals.filtered += admitted.reduce((sum, { dropped }) => sum + dropped, 0);
      totals.dead += dead;
      totals.lastEnqueuedMs = Math.max(totals.lastEnqueuedMs, last.enqueuedMs);
      return;
    }
  };

  const setAside = async ({ event, parsed }: Taken, error: unknown): Promise<void> => {
    if (event.seq <= appliedSeq) return;
    refusedInRow++;
    const message = `the store refuses it: ${messageOf(error).slice(0, 500)}`;
    log.error({ partition, seq: event.seq, error: messageOf(error) }, 'an event that the store refuses was set aside');
    const before = parsed.reasons ? { problems: parsed.problems, reasons: parsed.reasons } : undefined;
    const found = addProblems(before, oneProblem({ reason: 'store_refused', message }, parsed.readings.length));
    await deps.letters.write([{ event, found }], { replace: true });
    const dead = countOf(found);
    const sends = countSends();
    const send = sends.indexOf(event);
    if (send > 0) sends.add(send, { events: 1, dead: found.reasons as Record<string, number> });
    if (
      !(await committed(
        commit({
          throughSeq: event.seq,
          last: { offset: event.offset, enqueuedMs: event.enqueuedMs },
          dead,
          sends: sends.results,
        }),
      ))
    )
      return;
    appliedSeq = event.seq;
    totals.commits++;
    totals.events++;
    totals.dead += dead;
  };

  return {
    apply: (batch) =>
      applyEach(batch, {
        apply: applyAll,
        storeAnswers: async () => void (await committed(commit({}))),
        pause: async () => {
          if (refusedInRow < IN_ROW) return;
          log.error({ partition, inRow: refusedInRow }, 'the store refuses event after event: look at the store');
          await sleep(LONG_PAUSE_MS, undefined, { signal: deps.giveUp }).catch(() => {});
        },
        setAside,
      }),
    get appliedSeq() {
      return appliedSeq;
    },
    get watermarkMs() {
      return watermarkMs;
    },
  };
}

type Built = ReturnType<typeof buildWindows>['result'];

/** What became of one event. */
const becameOf = (before: Built, after: Built, filtered: number, found: Findings | undefined): Partial<SendTally> => ({
  events: 1,
  readings: after.readings - before.readings,
  late: after.late - before.late,
  tooLate: after.tooLate - before.tooLate,
  filtered,
  dead: (found?.reasons ?? {}) as Record<string, number>,
});

function withProblems(
  admitted: readonly Admitted[],
): { event: Admitted['event']; found: NonNullable<Admitted['found']> }[] {
  return admitted.flatMap(({ event, found }) => (found ? [{ event, found }] : []));
}
