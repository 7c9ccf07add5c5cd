/** Releases of models, and which one is current. A release never changes. Rules of all contracts: store.ts. */
import type { SensorKey } from '../../domain/sensor.ts';
import type { Threshold } from '../../domain/threshold.ts';
import type { Promotion, ReleaseSwitch } from '../promotions.ts';

export interface ReleaseModel {
  readonly sensorId: number;
  /** SHA-256 of the ONNX file, hex. */
  readonly model: string;
  /** Pack that holds it and its row there; absent when the model runs in a session of its own. */
  readonly pack?: string;
  readonly packRow?: number;
  /** Pool of workers that the model needs; the default one when absent. */
  readonly pool?: string;
  /** Decides what an anomaly is; the model's own label when absent. */
  readonly threshold?: Threshold;
  /** Length of the windows that it looks at, ms; the fleet's when absent. */
  readonly windowMs?: number;
}

export interface Release {
  readonly name: string;
  readonly createdAtMs: number;
  readonly models: number;
  readonly current: boolean;
}

export interface ModelInfo {
  readonly model: string;
  readonly bytes: number;
  /** Shape of the model, for example `scaler+ocsvm-rbf`, or `onnx` when it is not one we fuse. */
  readonly kind: string;
  /** Features of the input, in order: `mean`, `mean[-1]`, ... */
  readonly features: readonly string[];
}

/** What some models of a release look at. */
export interface ReleaseLook extends Pick<ModelInfo, 'features'>, Pick<ReleaseModel, 'windowMs'> {}

/** Releases and their models. */
export interface ReleaseStore {
  /**
   * Adds a release and its models, all or nothing; `infos` describe every model that is new to the store.
   * @throws FleetscoreError `RELEASE_EXISTS`; `RELEASE_INVALID` for a sensor named twice or unknown, or a
   * model that is not described
   */
  createRelease(
    name: string,
    createdAtMs: number,
    models: readonly ReleaseModel[],
    infos: readonly ModelInfo[],
  ): Promise<void>;
  /** Newest first. */
  listReleases(): Promise<Release[]>;
  /** Models of a release by sensor id ascending, ids above `after`. */
  listReleaseModels(
    release: string,
    options?: { readonly after?: number; readonly limit?: number },
  ): Promise<(ReleaseModel & SensorKey & ModelInfo)[]>;
  /** What the models of a release look at, each kind once. @throws FleetscoreError `RELEASE_UNKNOWN` */
  releaseLooks(release: string): Promise<ReleaseLook[]>;
  /** Lengths of windows of sensors' own in a release, ms, ascending. @throws FleetscoreError `RELEASE_UNKNOWN` */
  releaseWindows(release: string): Promise<number[]>;
  /** Longest window that is not the fleet's of any release, ms; 0 where there is none. */
  longestWindow(): Promise<number>;
  /** Lengths of windows of its own that a sensor has in any release, ms, ascending. */
  windowsOfSensor(sensorId: number): Promise<number[]>;
  /**
   * Pools that models of a release name, with how many sensors each; none for a release that names no pool. By name.
   */
  releasePools(release: string): Promise<{ readonly pool: string; readonly sensors: number }[]>;
}

/** Which release is current, and the log of how it came to be. */
export interface PromotionStore {
  /**
   * Points `current` to a release, and notes that in the log of promotions. Should it be the challenger, it is so no
   * more.
   * @param origin how, and by whom; default: by `promote`, by nobody who is known
   * @throws FleetscoreError `RELEASE_UNKNOWN`
   */
  setCurrentRelease(
    name: string,
    origin?: { readonly how: 'publish' | 'promote'; readonly by: string },
  ): Promise<ReleaseSwitch>;
  /**
   * Points `current` to the release that was current before the newest promotion that was not undone yet.
   * @throws FleetscoreError `NO_RELEASE`, `NOTHING_BEFORE`
   */
  rollBackRelease(by: string): Promise<ReleaseSwitch>;
  /** The log, newest first: at most `limit` entries, by default as many as a rollback looks at. */
  listPromotions(limit?: number): Promise<Promotion[]>;
  currentRelease(): Promise<string | undefined>;
}
