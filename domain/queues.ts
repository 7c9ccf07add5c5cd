/** Task queues: workflows and control activities run on one, scoring on workers of the compute pool on the other. */
export const CONTROL_QUEUE = 'control';
export const SCORING_QUEUE = 'scoring';

/** What to do about a pool that a model names and nobody knows here. */
export const poolUnknown = (pool: string, known: Iterable<string>): string =>
  `pool ${JSON.stringify(pool)} is not configured (there is ${[...known].join(', ') || 'none'}): add it to ` +
  'the file that FLEETSCORE_POOLS_FILE names, or publish the models with another';
