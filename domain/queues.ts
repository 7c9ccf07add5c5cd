/** Task queues: workflows and control activities run on one, scoring on workers of the compute pool on the other. */
export const CONTROL_QUEUE = 'control';
export const SCORING_QUEUE = 'scoring';
