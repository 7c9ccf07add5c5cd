/**
 * The challenger, a release that is scored beside the current one, and what it made of sensors.
 * Rules of all contracts: store.ts.
 */
import type {
  ChallengeFilter,
  ChallengeSummary,
  ChallengedSensor,
  Challenger,
  SensorDifference,
} from '../../domain/challenge.ts';

export interface ChallengeStore {
  /**
   * Has the next batches score this release too; nothing, when undefined. @throws FleetscoreError `RELEASE_UNKNOWN`,
   * `CHALLENGER_IS_CURRENT`
   */
  setChallenger(challenger: Challenger | undefined): Promise<void>;
  findChallenger(): Promise<Challenger | undefined>;
  /**
   * The challenger that was set when a batch was planned, unless it is the batch's own release. Only batches of kind
   * `score` have one.
   */
  batchChallenger(batchId: string): Promise<Pick<Challenger, 'release' | 'share'> | undefined>;
  /**
   * Records what a batch's challenger made of sensors; what is recorded of a sensor stays. @throws FleetscoreError
   * `BATCH_UNKNOWN`
   */
  commitChallenge(batchId: string, sensors: readonly ChallengedSensor[]): Promise<void>;
  /** By base and challenger, the newest batch first. */
  challengeSummaries(filter?: ChallengeFilter): Promise<ChallengeSummary[]>;
  /** Sensors whose labels differ most, first. */
  challengeDifferences(filter: ChallengeFilter, limit: number): Promise<SensorDifference[]>;
}
