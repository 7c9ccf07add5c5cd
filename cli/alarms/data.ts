/** Alarms and their events as `--json` prints them: times as text, absent what is not known. */
import type { Alarm, AlarmEvent } from '../../domain/alarm.ts';
import { defined } from '../../domain/defined.ts';
import { isoTime } from '../../domain/time.ts';
import type { StoredNotice } from '../../storage/store.ts';

const time = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : isoTime(ms));

export function alarmData(alarm: Alarm) {
  const { facts, marks } = alarm;
  return defined({
    id: alarm.id,
    incident: alarm.incident,
    device: alarm.device,
    sensor: alarm.sensor,
    kind: alarm.kind,
    active: alarm.active,
    acked: alarm.acked,
    confirmed: alarm.confirmed,
    latched: alarm.latched,
    shelving: alarm.shelving,
    suppressedOrShelved: alarm.suppressedOrShelved,
    retain: alarm.retain,
    outOfService: alarm.outOfService,
    severity: facts.severity,
    lastSeverity: facts.lastSeverity,
    quality: facts.quality,
    cause: facts.cause,
    since: isoTime(facts.sinceMs),
    activeSince: isoTime(facts.activeMs),
    last: isoTime(facts.lastMs),
    cleared: time(facts.clearedMs),
    windows: facts.windows,
    peakScore: facts.peakScore,
    peakValue: facts.peakValue,
    peak: time(facts.peakMs),
    activationsInHour: facts.activations,
    firstBatch: facts.firstBatch,
    lastBatch: facts.lastBatch,
    late: alarm.late,
    corrected: alarm.corrected,
    withdrawn: alarm.withdrawn,
    ackedBy: marks.ackedBy,
    ackedAt: time(marks.ackedMs),
    comment: marks.comment && { ...marks.comment, atMs: undefined, at: isoTime(marks.comment.atMs) },
    unshelve: time(alarm.unshelveMs),
  });
}

export const noticeData = ({ by, notice, madeMs, dueMs, sentMs, message }: StoredNotice) =>
  defined({
    id: notice.id,
    by,
    what: notice.what,
    severity: notice.severity,
    made: isoTime(madeMs),
    due: isoTime(dueMs),
    sent: time(sentMs),
    message,
  });

export function eventData(event: AlarmEvent) {
  const { timeMs, receivedMs, ...rest } = event;
  return { ...rest, time: isoTime(timeMs), receiveTime: isoTime(receivedMs) };
}
