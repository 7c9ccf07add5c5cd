/**
 * What a control worker tells: totals of the batches that it closed since its start, and what the store and the
 * pools say now. Several control workers tell the same of the store and of pools: take the maximum of those.
 */
import { decided } from '../domain/outcome.ts';
import { hasEnded, type Batch, type Store } from '../storage/store.ts';
import type { Metric } from '../telemetry/metric.ts';
import { BY_HAND, type ControlTotals } from './control-totals.ts';

/** Batches looked at: the newest one of every schedule is among them, unless it has not run for long. */
const LOOKED_AT = 200;

/** What the store says now; only that it is down when it does not answer. */
export async function storeMetrics(
  store: Store,
  nowMs: number,
  know: ControlTotals['know'] = () => undefined,
): Promise<Metric[]> {
  const up = (value: number): Metric => ({
    name: 'fleetscore_store_up',
    type: 'gauge',
    unit: '1',
    help: 'Whether the store answered.',
    samples: [{ value }],
  });
  try {
    return [up(1), ...(await answered(store, nowMs, know))];
  } catch {
    return [up(0)];
  }
}

async function answered(store: Store, nowMs: number, know: ControlTotals['know']): Promise<Metric[]> {
  const [batches, sensors] = [await store.listBatches({ limit: LOOKED_AT }), await store.countSensors()];
  know({
    schedules: new Set(batches.flatMap(({ schedule }) => schedule ?? [])),
    challenger: (await store.findChallenger())?.release,
  });
  const running = batches.filter((batch) => batch.status === 'running');
  const waiting = batches.filter((batch) => batch.status === 'waiting');
  const newest = new Map<string, Batch>();
  for (const batch of batches)
    if (batch.kind === 'score' && hasEnded(batch) && !newest.has(batch.schedule ?? BY_HAND))
      newest.set(batch.schedule ?? BY_HAND, batch);
  const last = (name: string, unit: string, help: string, of: (batch: Batch) => number | undefined): Metric => ({
    name: `fleetscore_last_batch_${name}`,
    type: 'gauge',
    unit,
    help,
    samples: [...newest].flatMap(([schedule, batch]) => {
      const value = of(batch);
      return value === undefined ? [] : [{ labels: { schedule, status: batch.status }, value }];
    }),
  });
  const now = (name: string, unit: string, help: string, value: number): Metric => ({
    name: `fleetscore_${name}`,
    type: 'gauge',
    unit,
    help,
    samples: [{ value }],
  });
  return [
    now('sensors', '{sensor}', 'Sensors in the fleet.', sensors),
    now('batches_running', '{batch}', 'Batches under way.', running.length),
    now('batches_waiting', '{batch}', 'Batches that are not planned yet: they wait for readings.', waiting.length),
    now(
      'batch_oldest_waiting_seconds',
      's',
      'Time since the end of the period of the oldest batch that waits; 0 when none does.',
      waiting.reduce((most, batch) => Math.max(most, nowMs - batch.toMs), 0) / 1000,
    ),
    now(
      'batch_sensors_to_go',
      '{sensor}',
      'Sensors of batches under way that have no outcome yet.',
      running.reduce((sum, batch) => sum + Math.max(0, batch.planned - decided(batch.counts)), 0),
    ),
    now(
      'batch_oldest_running_seconds',
      's',
      'Age of the oldest batch under way; 0 when there is none.',
      running.reduce((most, batch) => Math.max(most, nowMs - batch.startedAtMs), 0) / 1000,
    ),
    last('end_timestamp_seconds', 's', 'When the newest batch of each schedule ended, Unix time.', (batch) =>
      batch.finishedAtMs === undefined ? undefined : batch.finishedAtMs / 1000,
    ),
    last('duration_seconds', 's', 'How long it took.', (batch) =>
      batch.finishedAtMs === undefined ? undefined : (batch.finishedAtMs - batch.startedAtMs) / 1000,
    ),
    last('sensors', '{sensor}', 'Sensors it planned.', (batch) => batch.planned),
    last(
      'skipped_sensors',
      '{sensor}',
      'Sensors of it that were skipped: no readings, or no model.',
      (batch) => batch.counts.skipped,
    ),
    last('failed_sensors', '{sensor}', 'Sensors of it that failed.', (batch) => batch.counts.failed),
    last('anomaly_ratio', '1', 'Share of its windows that are anomalous, 0 to 1.', (batch) =>
      batch.counts.windows === 0 ? 0 : batch.counts.anomalies / batch.counts.windows,
    ),
  ];
}
