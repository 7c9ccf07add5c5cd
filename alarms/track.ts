/** What is known of the alarms of a sensor between two stretches of windows: all that a fold takes and gives. */
import type { AlarmKind } from '../domain/alarm.ts';
import type { Excursion, FoundAlarm, OpenAlarm } from './excursion.ts';

/** What is carried from stretch to stretch; undefined in place of it when nothing is. */
export interface TrackState {
  /** End of the stretch that it is the state after. */
  readonly throughMs: number;
  /** End of its newest window; absent before the first. */
  readonly seenMs?: number;
  /** Abnormal windows within the on-delay. */
  readonly pending?: Excursion;
  readonly failing?: Excursion;
  readonly flat?: {
    readonly sinceMs: number;
    readonly lastMs: number;
    readonly value: number;
    readonly windows: number;
  };
  readonly open: { readonly [K in AlarmKind]?: OpenAlarm };
}

/** Names an alarm of a sensor. */
export interface AlarmKey {
  readonly kind: AlarmKind;
  readonly sinceMs: number;
  /** When it became active: tells two apart that began at the same time. Absent in links of versions before 0.4. */
  readonly activeMs?: number;
}

/** What a turn that did not come to the end of a sensor leaves to the next one, beside the chain. */
export interface Unfinished {
  /** Alarms that are still to be replaced. */
  readonly carried: readonly AlarmKey[];
  /** The state that the chain had where it is to be gone on with, before the first turn; absent at rest. */
  readonly was?: TrackState;
}

export interface Folded {
  readonly state: TrackState | undefined;
  /** Alarms that became active in the stretch. */
  readonly raised: readonly AlarmKey[];
  /** Alarms that ended in the stretch. Those that are open are in the state. */
  readonly ended: readonly FoundAlarm[];
}

/** What is known of a sensor before a stretch that nothing is carried into. */
export interface Before {
  /** Absent: it never had readings, so that it is not silent yet. */
  readonly seenMs?: number;
  readonly flat?: TrackState['flat'];
}
