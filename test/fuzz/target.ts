/** Something that reads bytes of others: good inputs, and how it is called with what came of them. */
export interface Target {
  readonly seeds: readonly Uint8Array[];
  /** @throws for what must not happen: an error that is not one of ours, something without a bound, a dead server */
  run(input: Uint8Array): unknown;
  /** So many inputs are tried at once, by `runAll`, where a call costs more than an input. */
  readonly together?: number;
  runAll?(inputs: readonly Uint8Array[]): Promise<void>;
  close?(): Promise<void>;
}
