/**
 * What events become, before anything is stored: the updates of windows of one commit, and how many readings were
 * taken, late, dropped or dead, in all and for each send. Pure: the same events from the same watermark give the same
 * content.
 */
import type { SendTally } from '../domain/send-tally.ts';
import type { Admitted } from './admit.ts';
import type { CommitPart } from './exactly-once.ts';
import { countOf, type Findings } from './parse/problems.ts';
import type { SensorIds } from './sensor-ids.ts';
import type { Totals } from './stats.ts';
import { countSends } from './tally-sends.ts';
import { buildWindows, type WindowSettings } from './windows.ts';

export interface CommitContent {
  readonly part: CommitPart & { readonly throughSeq: number };
  /** What the totals of the worker grow by once it is stored. */
  readonly counts: Pick<Totals, 'events' | 'readings' | 'late' | 'tooLate' | 'filtered' | 'dead'>;
  /** Epoch ms of the newest event. */
  readonly enqueuedMs: number;
}

/** @param admitted in order, at least one */
export function commitContent(
  admitted: readonly Admitted[],
  { settings, sensors }: { readonly settings: WindowSettings; readonly sensors: Pick<SensorIds, 'find'> },
  watermarkMs: number,
): CommitContent {
  const windows = buildWindows(settings, watermarkMs);
  const sends = countSends();
  for (const { event, readings, dropped, found } of admitted) {
    const send = sends.indexOf(event);
    const before = send > 0 ? windows.result : undefined;
    for (const { device, sensor, tsMs, value } of readings)
      windows.add({ sensorId: sensors.find(device, sensor)!, tsMs, value, arrivedMs: event.enqueuedMs, send });
    if (before) sends.add(send, becameOf(before, windows.result, dropped, found));
  }
  const { updates, readings, late, tooLate, watermarkMs: reachedMs } = windows.result;
  const dead = admitted.reduce((sum, { found }) => sum + (found ? countOf(found) : 0), 0);
  const filtered = admitted.reduce((sum, { dropped }) => sum + dropped, 0);
  const { seq, offset, enqueuedMs } = admitted.at(-1)!.event;
  return {
    part: {
      throughSeq: seq,
      last: { offset, enqueuedMs },
      watermarkMs: reachedMs,
      updates,
      readings,
      late,
      dead,
      sends: sends.results,
    },
    counts: { events: admitted.length, readings, late, tooLate, filtered, dead },
    enqueuedMs,
  };
}

type Built = ReturnType<typeof buildWindows>['result'];

/** What became of one event. */
const becameOf = (before: Built, after: Built, filtered: number, found: Findings | undefined): Partial<SendTally> => ({
  events: 1,
  readings: after.readings - before.readings,
  late: after.late - before.late,
  tooLate: after.tooLate - before.tooLate,
  filtered,
  dead: found?.reasons ?? {},
});
