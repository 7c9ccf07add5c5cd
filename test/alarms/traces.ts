/**
 * Sequences of a real alarm server (OPC UA), as data: what was put in, what it answered, and what the standard says.
 */
export interface Trace {
  readonly name: string;
  readonly limits?: {
    readonly high?: number;
    readonly highHigh?: number;
    readonly low?: number;
    readonly lowLow?: number;
  };
  readonly optionalParts?: readonly string[];
  readonly alarmType?: string;
  readonly source?: string;
  readonly steps: readonly TraceStep[];
}

export interface TraceStep {
  readonly step: number;
  /** In words, where that is all there is. */
  readonly what?: string;
  readonly input?: {
    readonly value?: number;
    readonly quality?: string;
    readonly setpoint?: number;
    readonly normalState?: number;
  } | null;
  readonly operator?: {
    readonly action: string;
    readonly eventId?: string;
    readonly comment?: string | null;
    readonly milliseconds?: number;
  } | null;
  readonly configure?: Readonly<Record<string, number>>;
  readonly wait?: number;
  readonly result?: string;
  readonly specDifference?: readonly { readonly field: string; readonly observed: unknown; readonly spec: unknown }[];
  readonly events?: readonly { readonly eventId?: string; readonly branch?: string | null }[];
  readonly stateAfter?: Readonly<Record<string, unknown>>;
}
