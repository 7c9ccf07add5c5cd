/** The scoring engine of this machine, for commands that score here and write nothing. */
import type { ScoringEngine } from '../../scoring/engine.ts';
import type { Context } from '../frame/context.ts';
import { tell } from '../frame/terminal.ts';

/** Whoever opens it closes it. @throws FleetscoreError `EXECUTION_PROVIDER_UNAVAILABLE` */
export async function openEngine(context: Context): Promise<ScoringEngine> {
  // It loads onnxruntime: only for commands that score.
  const { createScoringEngine } = await import('../../scoring/engine.ts');
  const { scoring } = context.config;
  return createScoringEngine({
    blobs: context.blobs(),
    cacheDir: scoring.cacheDir,
    threads: scoring.threads,
    maxCacheBytes: scoring.cacheBytes,
    maxModelBytes: scoring.maxModelBytes,
    modelTimeoutMs: scoring.modelTimeoutMs,
    modelMemoryBytes: scoring.modelMemoryBytes,
    executionProvider: scoring.executionProvider,
    warn: tell,
  });
}
