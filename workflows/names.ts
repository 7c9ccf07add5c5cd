/** Types of the workflows of batches, as Temporal, its lists and its schedules name them. */
export const SCORE_BATCH = 'scoreBatch';
export const SCORE_SENSORS = 'scoreSensors';
