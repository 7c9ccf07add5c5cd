/** The list of sensors. An id is never given twice. Rules of all contracts: store.ts. */
import type { Sensor, SensorKey } from '../../domain/sensor.ts';

/** Sensor ids, half open: [from, to). */
export interface IdRange {
  readonly from: number;
  readonly to: number;
  /**
   * Of these, only the sensors whose model names this pool in the release of the batch; '' for those whose model
   * names none, and those without a model. All when absent. Means nothing where no batch is given.
   */
  readonly pool?: string;
}

/** How many sensors there may be. Those that exist stay, whatever it says. */
export interface SensorQuota {
  readonly perDevice: number;
  readonly fleet: number;
}

export interface SensorStore {
  /** Ids in the order asked; unknown sensors are added. A unit given replaces an empty one. */
  registerSensors(sensors: readonly (SensorKey & { readonly unit?: string })[]): Promise<number[]>;
  /**
   * As {@link registerSensors}, for names that come from devices: undefined in place of the id of a sensor that is
   * unknown and would be one too many of its device or of the fleet.
   */
  admitSensors(sensors: readonly SensorKey[], quota: SensorQuota): Promise<(number | undefined)[]>;
  /** By id ascending, ids above `after`. */
  listSensors(options?: {
    readonly after?: number;
    readonly limit?: number;
    readonly device?: string;
  }): Promise<Sensor[]>;
  findSensor(key: SensorKey): Promise<Sensor | undefined>;
  countSensors(): Promise<number>;
}
