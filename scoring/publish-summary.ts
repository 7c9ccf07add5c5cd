/** What publishing models came to. */
import type { ModelProblem } from './model-problem.ts';
import type { SlowReadings } from './slow-readings.ts';

export interface BadModel extends ModelProblem {
  readonly device: string;
  readonly sensor: string;
  readonly file: string;
}

export interface PublishSummary {
  readonly release: string;
  /** Sensors with a model from the folder. */
  readonly models: number;
  /** Sensors that keep the model of the release before, with `merge`. */
  readonly kept: number;
  /** Sensors that had a model and have none in this release, with `replace`. */
  readonly lost: number;
  /** Different model files. */
  readonly distinct: number;
  /** Sensors whose model is in a pack. */
  readonly packed: number;
  readonly packs: number;
  /** Models by kind. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Sensors by the pool that their model names; those that name none are left out. */
  readonly pools: Readonly<Record<string, number>>;
  readonly bad: readonly BadModel[];
  /** Sensors whose readings come too rarely for the earlier windows that their models look at; absent: none. */
  readonly slow?: SlowReadings;
  /** The release was there, of these very models: a publish that was stopped is finished by publishing again. */
  readonly before?: true;
}
