/** The scoring engine of this machine, for commands that score here and write nothing. */
import type { ScoringEngine } from '../../scoring/engine.ts';
import type { Context } from '../frame/context.ts';
import { tell } from '../frame/terminal.ts';
import { engineSettings } from '../../scoring/settings.ts';

/** Whoever opens it closes it. @throws FleetscoreError `EXECUTION_PROVIDER_UNAVAILABLE` */
export async function openEngine(context: Context): Promise<ScoringEngine> {
  // It loads onnxruntime: only for commands that score.
  const { createScoringEngine } = await import('../../scoring/engine.ts');
  return createScoringEngine({
    blobs: context.blobs(),
    ...engineSettings(context.config.scoring),
    warn: tell,
  });
}
