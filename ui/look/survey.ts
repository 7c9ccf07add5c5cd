/**
 * What the newest batches made of every sensor. The outcomes of a closed batch never change: they are read once, page
 * by page, and kept as columns of numbers, a few bytes a sensor.
 */
import type { OutcomeStatus } from '../../domain/outcome.ts';
import type { Batch, OutcomeRow, Store } from '../../storage/store.ts';
import { keptByKey } from '../cache.ts';
import { outcomePages } from '../../storage/pages.ts';

/** The place in this list is what a survey holds. */
const STATES = ['scored', 'no_data', 'no_model', 'failed', 'cancelled'] as const;
export type SensorState = (typeof STATES)[number];

export interface Survey {
  readonly ids: Uint32Array;
  readonly state: Uint8Array;
  readonly windows: Uint32Array;
  readonly anomalies: Uint32Array;
}

/** What became of one sensor, and in which batch. */
export interface SensorNow {
  readonly id: number;
  readonly state: SensorState;
  readonly windows: number;
  readonly anomalies: number;
  readonly batch: Batch;
}

const PAGE = 5_000;
/** Surveys kept; one of 10,000 sensors takes 130 KB. */
const KEPT = 32;

export function openSurveys(store: () => Promise<Pick<Store, 'listOutcomes'>>): (batchId: string) => Promise<Survey> {
  return keptByKey(KEPT, async (batchId) => surveyOf(await store(), batchId));
}

async function surveyOf(store: Pick<Store, 'listOutcomes'>, batchId: string): Promise<Survey> {
  const rows: (readonly OutcomeRow[])[] = [];
  for await (const page of outcomePages(store, batchId, PAGE)) rows.push(page);
  const all = rows.flat();
  return {
    ids: Uint32Array.from(all, (row) => row.sensorId),
    state: Uint8Array.from(all, (row) => STATES.indexOf(stateOf(row.status, row.class))),
    windows: Uint32Array.from(all, (row) => row.windows),
    anomalies: Uint32Array.from(all, (row) => row.anomalies),
  };
}

function stateOf(status: OutcomeStatus, why: string | undefined): SensorState {
  if (status !== 'skipped') return status;
  return why === 'no_model' ? 'no_model' : 'no_data';
}

/**
 * The newest word on every sensor, of batches in the order in which they count: a later one renews what an earlier one
 * said of the same sensor. By sensor id.
 */
export function overlay(surveys: readonly (readonly [Batch, Survey])[]): Map<number, SensorNow> {
  const now = new Map<number, SensorNow>();
  for (const [batch, { ids, state, windows, anomalies }] of surveys)
    for (let i = 0; i < ids.length; i++)
      now.set(ids[i]!, {
        id: ids[i]!,
        state: STATES[state[i]!]!,
        windows: windows[i]!,
        anomalies: anomalies[i]!,
        batch,
      });
  return now;
}
