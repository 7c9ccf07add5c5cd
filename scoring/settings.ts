/** From the configuration of scoring to the options of whoever loads and runs models: a new one is named here, once. */

/** Bounds of a model, and what computes it: the same where it is checked and where it is scored. */
export interface ModelSettings {
  readonly maxModelBytes: number;
  readonly modelTimeoutMs: number;
  readonly modelMemoryBytes: number;
  readonly executionProvider: string;
}

interface Configured extends ModelSettings {
  readonly cacheDir: string;
  readonly threads: number;
  readonly cacheBytes: number;
}

export const modelSettings = (scoring: ModelSettings): ModelSettings => ({
  maxModelBytes: scoring.maxModelBytes,
  modelTimeoutMs: scoring.modelTimeoutMs,
  modelMemoryBytes: scoring.modelMemoryBytes,
  executionProvider: scoring.executionProvider,
});

/** For `createScoringEngine()`. */
export const engineSettings = (scoring: Configured) => ({
  ...modelSettings(scoring),
  cacheDir: scoring.cacheDir,
  threads: scoring.threads,
  maxCacheBytes: scoring.cacheBytes,
});
