/**
 * A payload mapping: how events that are not in the form of docs/readings.md become readings. The forms of a mapping
 * are tried in their order; the first whose conditions hold makes all readings of a body. Made from JSON by schema.ts.
 */
import type { TimeUnit } from '../../domain/time.ts';
import type { Step } from './path.ts';
import type { Ref } from './refs.ts';

/** Whether something is there, or is one of some values. */
export interface Condition {
  readonly of: Ref;
  /** Absent: anything that is there. */
  readonly is?: ReadonlySet<string>;
  /** Holds where the others do not; also where there is nothing. */
  readonly not: boolean;
}

export interface Form {
  /** All must hold; none: always. */
  readonly when: readonly Condition[];
  /** Bodies for which one holds have no readings, and that is no fault. */
  readonly ignore: readonly Condition[];
  /** Where the readings stand in a body; no steps: the body itself. */
  readonly items: readonly Step[];
  readonly itemsText: string;
  /** Of each the first that is there. */
  readonly time: readonly Ref[];
  readonly device: readonly Ref[];
  readonly sensor: readonly Ref[];
  readonly value: readonly Ref[];
  readonly quality: readonly Ref[];
  /** Of numbers in the body that are times; absent: FLEETSCORE_FIELD_TS_UNIT. */
  readonly timeUnit?: TimeUnit;
  /** Patterns of names: the member's where `items` ends with `{}`, else the sensor's. */
  readonly only?: readonly string[];
  readonly except?: readonly string[];
  /** Decimal numbers in texts, and true and false as 1 and 0, are values. */
  readonly texts: boolean;
  readonly booleans: boolean;
  /** What becomes of an item whose value is no number. */
  readonly others: 'skip' | 'refuse';
  /** What becomes of a body without any reading. */
  readonly empty: 'skip' | 'refuse';
  readonly anyCase: boolean;
  /** Members that other references take, as `^ts`: no sensors. */
  readonly siblings: ReadonlySet<string>;
}

export interface Mapping {
  /** `iot-hub`, or the file. */
  readonly name: string;
  readonly forms: readonly Form[];
  /** An array is one body, and not one for each element. */
  readonly wholeArray: boolean;
}
