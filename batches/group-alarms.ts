/** Writes on record which alarms belong together, for those that lasted in the period of a batch. */
import { incidentsOf } from '../alarms/incidents.ts';
import type { Alarm, AlarmRecord } from '../domain/alarm.ts';
import type { Period } from '../domain/time.ts';
import type { Store } from '../storage/store.ts';

/** How often it is done anew because somebody else changed alarms meanwhile. */
const TRIES = 20;

/** Returns how many alarms belong to another incident than before. */
export async function groupAlarms(store: Store, within: Period, receivedMs: number): Promise<number> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const epoch = await store.alarmEpoch();
    const alarms = await store.listAlarms({ within }, receivedMs);
    const moved = incidentsOf(alarms).flatMap(({ alarms: group }) =>
      // An incident that reaches back before the period has its id from there.
      group
        .filter(({ incident }) => incident !== group[0]!.incident)
        .map((alarm) => recordOf(alarm, group[0]!.incident)),
    );
    if (moved.length === 0) return 0;
    if (await store.commitAlarms({ epoch, alarms: moved.map((record) => ({ record, changes: [] })), receivedMs }))
      return moved.length;
  }
  return 0;
}

/** What is stored of an alarm. */
export function recordOf(alarm: Alarm, incident: string): AlarmRecord {
  const { id, sensorId, kind, facts, marks, confirm, latch, late, corrected, withdrawn, version } = alarm;
  return {
    id,
    sensorId,
    kind,
    facts,
    marks,
    ...(confirm ? { confirm } : {}),
    ...(latch ? { latch } : {}),
    ...(late ? { late } : {}),
    ...(corrected ? { corrected } : {}),
    ...(withdrawn ? { withdrawn } : {}),
    incident,
    version,
  };
}
