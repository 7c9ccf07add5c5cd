/** The workflows of fleetscore, as a worker registers them. */
export { progressQuery, scoreBatch } from './score-batch.ts';
export { scoreSensors } from './score-sensors.ts';
