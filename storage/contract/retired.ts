/**
 * Sensors out of service: somebody said that no batch is to plan them any more. Their windows stay, and readings that
 * still come are kept; their alarms stay as they are and are of no interest. Rules of all contracts: store.ts.
 */
import type { Sensor } from '../../domain/sensor.ts';

/** Who took a sensor out of service, when, and why. */
export interface Retirement {
  /** Time of the clock, epoch ms. */
  readonly atMs: number;
  readonly by: string;
  /** At most 1000 characters; empty where nobody said anything. */
  readonly comment: string;
}

export interface RetiredSensor extends Sensor, Retirement {}

export interface RetiredStore {
  /** Ids of those that were in service until now, ascending; ids that nobody has are passed over. */
  retireSensors(ids: readonly number[], retirement: Retirement): Promise<number[]>;
  /** Ids of those that were out of service until now, ascending. */
  restoreSensors(ids: readonly number[]): Promise<number[]>;
  countRetired(): Promise<number>;
  /** How many are out of service of each pool, as their models in a release name it; '' those that name none. */
  retiredByPool(release: string): Promise<ReadonlyMap<string, number>>;
  /** By id ascending, ids above `after`. */
  retiredSensors(options?: { readonly after?: number; readonly limit?: number }): Promise<RetiredSensor[]>;
  /**
   * Sensors that a batch of a release is not for, by id ascending: those out of service, and those that the release has
   * no model of and no window is stored of, as a release registers them that nobody has promoted.
   * @throws FleetscoreError `RELEASE_UNKNOWN`
   */
  sensorsLeftOut(release: string): Promise<number[]>;
  /** How many sensors a batch left out when it was planned; 0 where it has a list of its own, or is not planned. */
  countLeftOut(batchId: string): Promise<number>;
}
