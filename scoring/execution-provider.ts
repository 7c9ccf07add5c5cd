/**
 * The execution provider of onnxruntime that models run with: the CPU by default, others where this build has
 * them and their libraries are installed. It is tried once at start, so that a wrong setting is one clear error
 * and not a failure of every model.
 */
import { FleetscoreError } from '../domain/errors.ts';
import { newMarks } from './thread-protocol.ts';
import type { Threads } from './threads.ts';

export const DEFAULT_PROVIDER = 'cpu';

/**
 * @throws FleetscoreError `EXECUTION_PROVIDER_UNAVAILABLE` that names what this build of onnxruntime offers;
 * `SCORING_THREAD_FAILED` (retryable)
 */
export async function requireProvider(threads: Threads, name: string): Promise<void> {
  // Part of every build, and tried by the first model: starting a thread for it would cost time and tell nothing.
  if (name === DEFAULT_PROVIDER) return;
  const end = await threads.run({ type: 'provider', marks: newMarks() });
  if (end.type !== 'reply') throw unavailable(name, end.message, []);
  if (end.reply.problem !== undefined) throw unavailable(name, end.reply.problem, end.reply.offered);
}

function unavailable(name: string, why: string, offered: readonly string[]): FleetscoreError {
  return new FleetscoreError(
    'EXECUTION_PROVIDER_UNAVAILABLE',
    `the execution provider ${JSON.stringify(name)} (FLEETSCORE_EXECUTION_PROVIDER) cannot be used here: ` +
      `${why.split('\n')[0]!.slice(0, 400)}. ` +
      (offered.length === 0
        ? ''
        : `This build of onnxruntime offers ${offered.join(', ')}; all but ${DEFAULT_PROVIDER} need a device and ` +
          'libraries of their own. ') +
      `Install what it needs, or use ${DEFAULT_PROVIDER}.`,
  );
}
