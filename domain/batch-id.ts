/** The id of a batch: unique, sortable by time, and short enough to be read aloud. */
import { compactTime, type Period } from './time.ts';

/**
 * `20261123T141500Z-1a2b3c4d`: end of the period and the run that scores it. The run's part is the end of its
 * id: ids of Temporal start with the time, so runs of one minute start alike.
 */
export function batchIdOf(period: Period, runId: string): string {
  return `${compactTime(period.toMs)}-${runId.slice(-8)}`;
}
