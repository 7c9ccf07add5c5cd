/**
 * What schedules left out, as metrics: periods of the last week that no batch scored. Told by a process that lives,
 * since a batch that was never started can tell nothing. Looked at once a minute and when a schedule comes or goes,
 * however often it is asked.
 */
import type { Client } from '@temporalio/client';
import { countMissed, findGaps, type GapState } from '../batches/schedule-gaps.ts';
import { scheduleNames, seeSchedules } from '../connect/schedule-times.ts';
import type { Store } from '../storage/store.ts';
import type { Metric } from '../telemetry/metric.ts';

export interface ScheduleMetricsDeps {
  readonly client: Client;
  readonly store: Pick<Store, 'listBatches'>;
  readonly now: () => number;
  /** Age at which batches are deleted. */
  readonly keepBatchesMs?: number | undefined;
}

const KEEP_MS = 60_000;
const STATES: readonly GapState[] = ['missing', 'failed', 'cancelled'];

export function scheduleMetrics(deps: ScheduleMetricsDeps): () => Promise<Metric[]> {
  let kept: { readonly atMs: number; readonly names: string; readonly metrics: Metric[] } | undefined;
  return async () => {
    const nowMs = deps.now();
    try {
      const names = JSON.stringify(await scheduleNames(deps.client));
      if (kept?.names !== names || nowMs - kept.atMs >= KEEP_MS)
        kept = { atMs: nowMs, names, metrics: await look(deps, nowMs) };
      return kept.metrics;
    } catch {
      return []; // that a server is away, other metrics say
    }
  };
}

async function look({ client, store, keepBatchesMs }: ScheduleMetricsDeps, nowMs: number): Promise<Metric[]> {
  const schedules = await seeSchedules(client);
  const found = await findGaps(store, schedules, { nowMs, keepBatchesMs });
  const unscored: { labels: Record<string, string>; value: number }[] = [];
  const paused: { labels: Record<string, string>; value: number }[] = [];
  for (const { name: schedule, paused: isPaused } of schedules) {
    const gaps = found.get(schedule)!;
    for (const state of STATES)
      unscored.push({ labels: { schedule, state }, value: countMissed(gaps.filter((gap) => gap.state === state)) });
    paused.push({ labels: { schedule }, value: isPaused ? 1 : 0 });
  }
  return [
    {
      name: 'fleetscore_schedule_unscored_periods',
      type: 'gauge',
      unit: '{period}',
      help: 'Periods of the last week that no batch scored: none was started (missing), or it ended without (failed, cancelled).',
      samples: unscored,
    },
    {
      name: 'fleetscore_schedule_paused',
      type: 'gauge',
      unit: '1',
      help: 'Whether the schedule is paused: its periods pass unscored meanwhile.',
      samples: paused,
    },
  ];
}
