/**
 * Writes on record which alarms belong together, for those that lasted in the period of a batch. A plant that fell
 * silent has one for each of its sensors, in every batch until it is back: what is read is little of each, page by
 * page, and what moves is written in slices, so that nobody else of this process waits long.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { movedAlarms } from '../alarms/incidents.ts';
import type { Alarm, AlarmOutline, AlarmRecord } from '../domain/alarm.ts';
import type { Period } from '../domain/time.ts';
import type { Store } from '../storage/store.ts';

/** How often it is done anew, without a step forward, because somebody else changed alarms meanwhile. */
const TRIES = 20;
/** Alarms of one read, and of one write. */
const PAGE = 2_000;
const SLICE = 500;

/** Returns how many alarms belong to another incident than before. */
export async function groupAlarms(store: Store, within: Period): Promise<number> {
  let written = 0;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    let epoch = await store.alarmEpoch();
    const moved = movedAlarms(await lasting(store, within));
    let at = 0;
    for (; at < moved.length; at += SLICE) {
      const incidents = new Map(moved.slice(at, at + SLICE).map(({ id, incident }) => [id, incident]));
      const records = await store.alarmRecordsOf([...incidents.keys()]);
      const alarms = records.map((record) => ({ ...record, incident: incidents.get(record.id)! }));
      if (!(await store.moveAlarms(epoch, alarms))) break;
      epoch += 1;
      written += alarms.length;
      attempt = 0;
      await breathe();
    }
    if (at >= moved.length) return written;
  }
  return written;
}

async function lasting(store: Store, within: Period): Promise<AlarmOutline[]> {
  const all: AlarmOutline[] = [];
  for (let after: AlarmOutline | undefined; ;) {
    const page = await store.lastingAlarms(within, { limit: PAGE, ...(after ? { after } : {}) });
    all.push(...page);
    after = page.at(-1);
    if (!after || page.length < PAGE) return all;
    await breathe();
  }
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
