/** One metric of a process, whoever is told of it: Prometheus, OTLP or Application Insights. */

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  /** As UCUM writes it: s, By, {sensor}, 1. Prometheus has it in the name. */
  readonly unit?: string;
  /** One line for people. */
  readonly help: string;
  /** A total that is kept in the store, and goes on over processes: whoever tells of it tells all of it. */
  readonly stored?: boolean;
  readonly samples: readonly Sample[];
}
