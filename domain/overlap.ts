/**
 * What happens when a batch of a schedule is due while the one before still runs: the words of Temporal, as options
 * take them.
 */
export const OVERLAPS = ['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'terminate_other', 'allow_all'] as const;

/** Of schedules that say nothing: no period is left out. */
export const DEFAULT_OVERLAP = 'BUFFER_ALL';
