/** The figures of a run as data. */
import type { ChildMode } from './children.ts';
import type { EndToEnd } from './end-to-end.ts';
import type { Machine } from './machine.ts';
import type { PeerResult } from './peers.ts';
import type { WorkerShapes } from './worker-shapes.ts';

export interface ScoringAlone {
  /** The predictions file of these models: its size, and the time to find one sensor in it. */
  readonly files?: Readonly<Record<'csv' | 'parquet', { readonly bytes: number; readonly oneSensorMs: number }>>;
  readonly results: Readonly<
    Record<string, { readonly rowsPerSecond: number; readonly cpuMicrosecondsPerRow: number }>
  >;
}

export interface Results {
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  /** Load average of the minute before and after. */
  readonly load: { readonly before: number; readonly after: number };
  readonly seconds: number;
  readonly sizes: readonly EndToEnd[];
  readonly shapes?: WorkerShapes;
  readonly children?: ChildMode;
  readonly peers: readonly PeerResult[];
  readonly scoring?: ScoringAlone;
  /** Parts that failed, with the reason. */
  readonly notMeasured?: readonly string[];
}

/** Past this the machine did other things too. */
export const QUIET_LOAD = 1.5;
