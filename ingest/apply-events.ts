/**
 * Parsed events of one partition into the store: sensors are registered, problems become dead letters, readings become
 * windows, and one commit stores them with the progress (exactly-once.ts). An event that the store refuses for good
 * becomes a dead letter too, and those behind it go on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../domain/errors.ts';
import type { Store } from '../storage/store.ts';
import { admit, type Admitted, type Taken } from './admit.ts';
import { applyEach } from './apply-each.ts';
import { commitContent } from './commit-content.ts';
import { createCommitter, type Committer, type Progress, type Retry } from './exactly-once.ts';
import type { ReadingFilter } from './filter.ts';
import type { IngestLog } from './log.ts';
import { addProblems, countOf, oneProblem } from './parse/problems.ts';
import type { SensorIds } from './sensor-ids.ts';
import type { Totals } from './stats.ts';
import { countSends } from './tally-sends.ts';
import type { WindowSettings } from './windows.ts';
import type { LetterWriter } from './write-letters.ts';

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

export interface Applier extends Progress {
  /** Resolves when the events are in the windows, or among the dead letters. */
  apply(batch: readonly Taken[]): Promise<void>;
}

/** Tries before an error that does not pass counts as a refusal. */
const TRIES = 3;
/**
 * So many events refused in a row, and it may be the store rather than they: each then waits before it is set aside.
 */
const IN_ROW = 5;
const LONG_PAUSE_MS = 30_000;

export function createApplier(deps: ApplyDeps, start: Progress): Applier {
  const { partition, totals, log } = deps;
  const committer = createCommitter({ ...deps, onConflict: () => void totals.conflicts++ }, start);
  let refusedInRow = 0;
  return {
    apply: (batch) =>
      applyEach(batch, {
        async apply(items) {
          if ((await applyAll(deps, committer, items)) > 0) refusedInRow = 0;
        },
        storeAnswers: async () => void (await committer.commit({})),
        async pause() {
          if (refusedInRow < IN_ROW) return;
          log.error({ partition, inRow: refusedInRow }, 'the store refuses event after event: look at the store');
          await sleep(LONG_PAUSE_MS, undefined, { signal: deps.giveUp }).catch(() => {});
        },
        async setAside(item, error) {
          if (item.event.seq <= committer.appliedSeq) return;
          refusedInRow++;
          await setAside(deps, committer, item, error);
        },
      }),
    get appliedSeq() {
      return committer.appliedSeq;
    },
    get watermarkMs() {
      return committer.watermarkMs;
    },
  };
}

/** @returns how many readings this worker stored; events that are in already are dropped */
async function applyAll(deps: ApplyDeps, committer: Committer, batch: readonly Taken[]): Promise<number> {
  const { sensors, totals } = deps;
  for (;;) {
    const rest = batch.filter(({ event }) => event.seq > committer.appliedSeq);
    totals.redelivered += batch.length - rest.length;
    if (rest.length === 0) return 0;
    const admitted = await admit(rest, deps.filter, sensors, (unknown) =>
      deps.retry('registration of sensors', () => sensors.register(unknown), { refusedAfter: TRIES }),
    );
    await deps.letters.write(withProblems(admitted));
    const { part, counts, enqueuedMs } = commitContent(admitted, deps, committer.watermarkMs);
    // The store stood elsewhere: look again at what is left.
    if (!(await committer.commit(part, TRIES))) continue;
    totals.commits++;
    for (const key of Object.keys(counts) as (keyof typeof counts)[]) totals[key] += counts[key];
    totals.lastEnqueuedMs = Math.max(totals.lastEnqueuedMs, enqueuedMs);
    return counts.readings;
  }
}

/** An event that the store refuses becomes a dead letter, and the progress moves past it. */
async function setAside(
  { partition, letters, totals, log }: ApplyDeps,
  committer: Committer,
  { event, parsed }: Taken,
  error: unknown,
): Promise<void> {
  const message = `the store refuses it: ${messageOf(error).slice(0, 500)}`;
  log.error({ partition, seq: event.seq, error: messageOf(error) }, 'an event that the store refuses was set aside');
  const before = parsed.reasons ? { problems: parsed.problems, reasons: parsed.reasons } : undefined;
  const found = addProblems(before, oneProblem({ reason: 'store_refused', message }, parsed.readings.length));
  await letters.write([{ event, found }], { replace: true });
  const dead = countOf(found);
  const sends = countSends();
  const send = sends.indexOf(event);
  if (send > 0) sends.add(send, { events: 1, dead: found.reasons });
  const { seq, offset, enqueuedMs } = event;
  if (!(await committer.commit({ throughSeq: seq, last: { offset, enqueuedMs }, dead, sends: sends.results }))) return;
  totals.commits++;
  totals.events++;
  totals.dead += dead;
}

function withProblems(
  admitted: readonly Admitted[],
): { event: Admitted['event']; found: NonNullable<Admitted['found']> }[] {
  return admitted.flatMap(({ event, found }) => (found ? [{ event, found }] : []));
}
