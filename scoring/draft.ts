/**
 * The result of scoring as it fills: a verdict for every sensor, a prediction for every window. A sensor has a verdict
 * from the start, and trouble changes it; nothing here waits or reads.
 */
import { cutMessage } from '../domain/limits.ts';
import { isBeyond } from '../domain/threshold.ts';
import { formatDuration, type Period } from '../domain/time.ts';
import { isDue, ownWindowProblem, startsIn, windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import type { PlannedSensor, SeriesBlock } from '../storage/store.ts';
import type { RowRange } from './features.ts';
import type { ModelProblem } from './model-problem.ts';
import type { Labels, SensorTask } from './score-jobs.ts';
import type { ScoreResult, SensorVerdict } from './score-result.ts';
import { sharedBytes, sharedDoubles } from './thread-protocol.ts';

export interface Draft {
  /**
   * Gives a sensor its first verdict; false when there is nothing to score, or nothing to score with.
   * @param fleet the fleet's windows
   */
  plan(sensor: PlannedSensor, range: RowRange | undefined, period: Period, fleet: WindowShape): boolean;
  fail(sensorId: number, problem: ModelProblem): void;
  /** None of the windows has the `lag` earlier ones that the model looks at. @param why more of it, for people */
  skipHistory(sensorId: number, lag: number, why: string | undefined): void;
  /** Takes what a model said of a sensor, or why it said nothing. */
  readonly deliver: (task: SensorTask, result: Labels | ModelProblem) => void;
  result(): ScoreResult;
}

type Counted = { -readonly [K in 'anomalies' | 'leftOut']: SensorVerdict[K] };
type Rows = Pick<ScoreResult, 'scored' | 'anomaly' | 'score'>;

export function createDraft(series: SeriesBlock, sensors: readonly PlannedSensor[]): Draft {
  const rows: Rows = {
    // Shared: a thread writes the file from them.
    scored: sharedBytes(series.length),
    anomaly: sharedBytes(series.length),
    score: sharedDoubles(series.length),
  };
  const verdicts = new Map<number, SensorVerdict>();
  const fail = (id: number, problem: ModelProblem): void => {
    const verdict = verdicts.get(id)!;
    verdicts.set(id, { ...verdict, status: 'failed', class: problem.class, message: cutMessage(problem.message) });
  };
  return {
    fail,
    plan(sensor, range, period, fleet) {
      const shape = windowsOfSensor(fleet, sensor.windowMs);
      const verdict = firstVerdict(sensor, windowsIn(series, range, startsIn(period, shape)));
      const own = sensor.windowMs === undefined ? undefined : ownVerdict(sensor, verdict, period, fleet);
      verdicts.set(sensor.id, own ?? verdict);
      return own === undefined && verdict.status === 'scored';
    },
    skipHistory(id, lag, why) {
      const verdict = verdicts.get(id)!;
      const { windows } = verdict;
      const message =
        `none of the ${windows} windows has the earlier windows that its model needs (${lag} back, without gaps)` +
        (why === undefined ? '' : `: ${why}`);
      verdicts.set(id, { ...verdict, status: 'skipped', class: 'no_data', leftOut: windows, message });
    },
    deliver(task, result) {
      if ('class' in result) {
        fail(task.sensorId, result);
        return;
      }
      const written = writeLabels(rows, series, task, result);
      if (typeof written !== 'number') fail(task.sensorId, written);
      else {
        // In place: a copy for every sensor costs more than scoring it.
        const verdict: Counted = verdicts.get(task.sensorId)!;
        verdict.anomalies = written;
        verdict.leftOut = task.features.windows - task.features.count;
      }
    },
    result: () => ({ verdicts: sensors.map((sensor) => verdicts.get(sensor.id)!), ...rows }),
  };
}

function windowsIn({ startMs }: SeriesBlock, range: RowRange | undefined, { fromMs, toMs }: Period): number {
  let windows = 0;
  for (let row = range?.from ?? 0; row < (range?.to ?? 0); row++)
    if (startMs[row]! >= fromMs && startMs[row]! < toMs) windows++;
  return windows;
}

function firstVerdict({ id, model }: PlannedSensor, windows: number): SensorVerdict {
  if (model !== undefined && windows > 0)
    return { sensorId: id, windows, anomalies: 0, leftOut: 0, model, status: 'scored' };
  const none = { sensorId: id, windows, anomalies: 0, leftOut: 0 };
  if (model === undefined)
    return {
      ...none,
      status: 'skipped',
      class: 'no_model',
      message: 'the release has no model for this sensor; publish one',
    };
  return { ...none, model, status: 'skipped', class: 'no_data', message: 'no readings in the scoring period' };
}

/** Of a sensor with windows of its own: its verdict where nothing of it is to be scored in this period. */
function ownVerdict(
  { model, windowMs }: PlannedSensor,
  verdict: SensorVerdict,
  period: Period,
  fleet: WindowShape,
): SensorVerdict | undefined {
  if (model === undefined) return undefined;
  const { sensorId, windows } = verdict;
  const none = { sensorId, windows, anomalies: 0, leftOut: 0, model };
  const problem = ownWindowProblem(windowMs!, fleet);
  if (problem !== undefined)
    return {
      ...none,
      status: 'failed',
      class: 'model_wrong_shape',
      message: `its window is ${formatDuration(windowMs!)}, but ${problem}; publish its model with another --window`,
    };
  // Every window that belongs to the period is scored: there is none.
  return isDue(period, windowsOfSensor(fleet, windowMs)) ? undefined : { ...none, status: 'scored' };
}

/** Anomalies written; or why the sensor has none of these predictions, and then none of its rows counts as scored. */
function writeLabels(
  { scored, anomaly, score }: Rows,
  series: SeriesBlock,
  task: SensorTask,
  { anomaly: labels, score: scores, from }: Labels,
): number | ModelProblem {
  const { features, threshold } = task;
  const { rows, from: first, count } = features;
  let anomalies = 0;
  for (let i = 0; i < count; i++) {
    const row = rows[first + i]!;
    const value = scores[from + i]!;
    let label = threshold === undefined ? labels[from + i]! : Number(isBeyond(threshold, value));
    if (!Number.isFinite(value) || label === 0) {
      // A window that is not a number is an anomaly whatever the model makes of it.
      if (!isFiniteRow(task, i)) label = 1;
      else if (!Number.isFinite(value)) {
        for (let k = 0; k < i; k++) scored[rows[first + k]!] = 0;
        return notFinite(value, series, row);
      }
    }
    scored[row] = 1;
    anomaly[row] = label;
    score[row] = value;
    anomalies += label;
  }
  return anomalies;
}

function isFiniteRow({ features: { values, from }, width }: SensorTask, i: number): boolean {
  let finite = true;
  for (let at = (from + i) * width; at < (from + i + 1) * width; at++) finite &&= Number.isFinite(values[at]);
  return finite;
}

function notFinite(value: number, series: SeriesBlock, row: number): ModelProblem {
  const window = `the window ${new Date(series.startMs[row]!).toISOString()} with mean ${series.mean[row]}`;
  return {
    class: 'not_finite',
    message: `its score is ${value} for ${window}; retrain or export the model again`,
  };
}
