/** What became of a trial. */
export interface Outcome {
  /** What is in no window, in no capture file, or has no prediction, and nobody was told. */
  readonly lost: number;
  readonly of: number;
  readonly what: string;
  /** What ingest or the batch said of it by itself. */
  readonly told: readonly string[];
  /** What `verify` says. */
  readonly found: readonly string[];
}
