/** The few failures that go into histories, so that the Web UI says which sensor failed and why. */
import { failureClassOf, type FailureClass } from '../domain/outcome.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { cutText } from '../domain/limits.ts';
import type { OutcomeRow, Store } from '../storage/store.ts';
import type { FailureNote, SensorRange } from '../workflows/activities.ts';
import { outcomePages } from '../storage/pages.ts';

const NOTES = 5;
const MAX_NOTE = 300;

const noteOf = (outcome: OutcomeRow): FailureNote => ({
  device: outcome.device,
  sensor: outcome.sensor,
  class: failureClassOf(outcome),
  message: cutText(outcome.message ?? '', MAX_NOTE),
});

/** The first failed sensors of a range. */
export async function failureNotes(store: Store, batchId: string, range: SensorRange): Promise<FailureNote[]> {
  if (range.pool === undefined) {
    const failed = await store.listOutcomes(batchId, { status: 'failed', after: range.from - 1, limit: NOTES });
    return failed.filter((outcome) => outcome.sensorId < range.to).map(noteOf);
  }
  // Sensors of other pools lie between its own.
  const own = new Set((await store.plannedSensors(batchId, range)).map((sensor) => sensor.id));
  const notes: FailureNote[] = [];
  for (let after = range.from - 1; notes.length < NOTES;) {
    const page = await store.listOutcomes(batchId, { status: 'failed', after, limit: 1_000 });
    notes.push(...page.filter((outcome) => own.has(outcome.sensorId)).map(noteOf));
    const last = page.at(-1);
    if (!last || last.sensorId >= range.to - 1) break;
    after = last.sensorId;
  }
  return notes.slice(0, NOTES);
}

export interface Cause {
  readonly class: FailureClass;
  readonly count: number;
  /** One message of the class. */
  readonly example: FailureNote;
}

/** Failed sensors by class, most frequent first. */
export async function failureCauses(store: Store, batchId: string): Promise<Cause[]> {
  const causes = new Map<FailureClass, { count: number; example: FailureNote }>();
  for await (const page of outcomePages(store, batchId, 5_000, { status: 'failed' }))
    for (const outcome of page) {
      const known = causes.get(failureClassOf(outcome));
      if (known) known.count += 1;
      else causes.set(failureClassOf(outcome), { count: 1, example: noteOf(outcome) });
    }
  return [...causes].map(([name, cause]) => ({ class: name, ...cause })).sort((a, b) => b.count - a.count);
}

export function checkDecided(decidedSensors: number, planned: number, batchId: string): void {
  if (decidedSensors !== planned)
    throw new FleetscoreError(
      'OUTCOMES_INCOMPLETE',
      `batch ${batchId} has outcomes for ${decidedSensors} of ${planned} planned sensors`,
      { retryable: true },
    );
}
