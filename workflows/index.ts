/** The workflows of fleetscore, as a worker registers them. */
export { pauseUpdate, progressQuery, resumeUpdate, setConcurrencyUpdate } from './messages.ts';
export { scoreBatch } from './score-batch.ts';
export { scoreSensors } from './score-sensors.ts';
export { scalePool } from './scale-pool.ts';
