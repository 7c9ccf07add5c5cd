/** The alarms of a batch, or of several, in sentences: those that lasted in their periods, what goes on first. */
import { setTimeout as sleep } from 'node:timers/promises';
import { alarmSentence } from '../../alarms/sentence.ts';
import type { Alarm } from '../../domain/alarm.ts';
import type { Batch, Store } from '../../storage/store.ts';

/** Sentences that are printed; what is left is counted. */
const SHOWN = 20;
/** Alarms are decided on just after a batch has ended; without a worker that does, nothing is told of them. */
const LONGEST_WAIT_MS = 15_000;

/** Waits until the alarms of these batches are decided on; not for ever. */
export async function untilDecided(store: Store, batches: readonly Batch[], signal?: AbortSignal): Promise<void> {
  const end = Date.now() + LONGEST_WAIT_MS;
  for (const { id, manifest } of batches) {
    if (manifest === undefined) continue;
    while (!signal?.aborted && Date.now() < end && !(await store.alarmProgress(id)).done)
      await sleep(200, undefined, signal ? { signal } : {}).catch(() => undefined);
  }
}

const worstFirst = (a: Alarm, b: Alarm): number =>
  Number(b.active) - Number(a.active) || b.facts.severity - a.facts.severity || a.facts.sinceMs - b.facts.sinceMs;

/** @param whatOf what is wrong, where more is known of an alarm than its kind says */
export async function alarmLines(
  store: Store,
  batches: readonly Pick<Batch, 'fromMs' | 'toMs'>[],
  nowMs: number,
  whatOf: (alarm: Alarm) => string | undefined = () => undefined,
): Promise<string[]> {
  if (batches.length === 0) return [];
  const within = {
    fromMs: Math.min(...batches.map((batch) => batch.fromMs)),
    toMs: Math.max(...batches.map((batch) => batch.toMs)),
  };
  const alarms = (await store.listAlarms({ within }, nowMs)).filter(({ withdrawn }) => !withdrawn).sort(worstFirst);
  const left = alarms.length - SHOWN;
  return [
    ...alarms.slice(0, SHOWN).map((alarm) => alarmSentence(alarm, nowMs, whatOf(alarm))),
    ...(left > 0 ? [`and ${left} more: fleetscore alarms list --all`] : []),
  ];
}
