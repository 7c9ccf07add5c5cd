/**
 * The challenger of a batch: scored over the windows that a chunk has read anyway, after its own outcomes are
 * committed. Nothing that a challenger does costs a prediction: its trouble is recorded, and its time is bounded.
 */
import { messageOf } from '../domain/errors.ts';
import type { Period } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';
import { compareLabels, sensorsWithModels, type Labelled } from '../scoring/challenger.ts';
import type { ScoringEngine } from '../scoring/engine.ts';
import type { SeriesNeed } from '../scoring/own-series.ts';
import { inShare, type ChallengedSensor, type LabelCounts } from '../domain/challenge.ts';
import type { PlannedSensor, SeriesBlock, Store } from '../storage/store.ts';
import { defined } from '../domain/defined.ts';

export interface ChallengeDeps {
  readonly store: Store;
  readonly engine: ScoringEngine;
  /** Told what is not recorded anywhere else. Must not throw. */
  readonly warn?: (message: string) => void;
}

export interface PlannedChallenge {
  readonly release: string;
  /** Those of its share, by id, with its models. */
  readonly sensors: readonly PlannedSensor[];
  readonly needs: SeriesNeed;
}

/**
 * No model of a challenger is begun later than this in a chunk; one under way has its own limit
 * (FLEETSCORE_MODEL_TIMEOUT).
 */
const LIMIT_MS = 60_000;
const NO_WINDOWS: LabelCounts = { windows: 0, both: 0, onlyBase: 0, onlyChallenger: 0 };

/** The challenger's part of a chunk; undefined when it has none, or cannot be had. */
export async function planChallenge(
  { store, engine, warn }: ChallengeDeps,
  batchId: string,
  sensors: readonly PlannedSensor[],
): Promise<PlannedChallenge | undefined> {
  try {
    const challenger = await store.batchChallenger(batchId);
    const chosen = challenger ? sensors.filter(({ id }) => inShare(id, challenger.share)) : [];
    if (!challenger || chosen.length === 0) return undefined;
    const models = await sensorsWithModels(store, challenger.release, chosen);
    return { release: challenger.release, sensors: models, needs: await engine.seriesNeeds(models) };
  } catch (error) {
    warn?.(`the challenger of batch ${batchId} is left out of a chunk: ${messageOf(error)}`);
    return undefined;
  }
}

export interface ChallengeInput {
  readonly batchId: string;
  /** Its windows of the period. */
  readonly read: () => Promise<SeriesBlock>;
  readonly period: Period;
  /** Of the fleet's windows. */
  readonly shape: WindowShape;
  /** What the batch's own release gave. */
  readonly base: Labelled;
  readonly signal: AbortSignal;
}

export async function scoreChallenger(
  { store, engine, warn }: ChallengeDeps,
  { release, sensors, needs }: PlannedChallenge,
  input: ChallengeInput,
): Promise<void> {
  const { batchId, read, period, shape, base, signal } = input;
  const limit = AbortSignal.timeout(LIMIT_MS);
  let said: readonly ChallengedSensor[];
  try {
    const series = await read();
    const result = await engine.score({
      sensors,
      series,
      period,
      models: needs.models,
      ...shape,
      signal: AbortSignal.any([signal, limit]),
    });
    const labels = compareLabels(base, { sensors, series, result });
    said = result.verdicts.map(({ sensorId, status, class: cause, message }): ChallengedSensor => ({
      sensorId,
      status,
      ...defined({ class: cause, message }),
      ...(labels.get(sensorId) ?? NO_WINDOWS),
    }));
  } catch (error) {
    if (signal.aborted) return;
    const trouble = limit.aborted
      ? ({
          class: 'timeout',
          message: `release ${release} was not done after ${LIMIT_MS / 1000} s with a chunk of ${sensors.length} sensors`,
        } as const)
      : ({ class: 'internal', message: messageOf(error) } as const);
    said = sensors.map(({ id }) => ({ sensorId: id, status: 'failed', ...trouble, ...NO_WINDOWS }));
  }
  await store
    .commitChallenge(batchId, said)
    .catch((error: unknown) =>
      warn?.(`what challenger ${release} said in batch ${batchId} is not recorded: ${messageOf(error)}`),
    );
}
