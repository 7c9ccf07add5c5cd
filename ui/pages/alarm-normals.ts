/** What is normal for the sensors of alarms that a page shows. */
import { ask } from '../../domain/answer.ts';
import type { Alarm } from '../../domain/alarm.ts';
import type { App } from '../app.ts';
import type { Normal } from '../look/normal.ts';

/** What is normal for the sensors of alarms, by the release of the batch that decided on them last. */
export async function normalsOf({ deps, look }: App, alarms: readonly Alarm[]): Promise<ReadonlyMap<string, Normal>> {
  const store = await deps.store();
  const releases = new Map<string, string>();
  const found = new Map<string, Normal>();
  for (const { id, kind, sensorId, facts } of alarms) {
    if (kind !== 'anomaly') continue;
    if (!releases.has(facts.lastBatch))
      releases.set(facts.lastBatch, (await store.findBatch(facts.lastBatch))?.release ?? '');
    const normal = await ask(() => look.normal(sensorId, releases.get(facts.lastBatch)!));
    if (normal.value) found.set(id, normal.value);
  }
  return found;
}
