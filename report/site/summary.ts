/**
 * What the site keeps of a batch beside its pages, as JSON, so that the page of the fleet can be drawn from
 * many batches without reading their outcomes again. It is written last: a batch with a summary has its pages.
 */
import { z } from 'zod';
import { groupByDevice, type BatchData, type ReportBatch } from '../collect/batch-data.ts';
import { batchPath } from './paths.ts';

const count = z.number().int().min(0);
const counts = z.object({
  scored: count,
  skipped: count,
  failed: count,
  cancelled: count,
  windows: count,
  anomalies: count,
});

const summaryShape = z.object({
  version: z.literal(1),
  batch: z.string(),
  totals: counts.extend({ sensors: count }),
  /** Failures before skips, the most frequent first. */
  causes: z.array(
    z.object({
      status: z.enum(['scored', 'skipped', 'failed', 'cancelled']),
      class: z.string(),
      sensors: count,
      example: z.object({ device: z.string(), sensor: z.string(), message: z.string().optional() }),
    }),
  ),
  /** The devices that have a page, by name. */
  devices: z.array(z.object({ name: z.string(), sensors: count, windows: count, anomalies: count, notScored: count })),
  /** Sensors that are on no page. */
  omitted: count,
});

export type BatchSummary = z.infer<typeof summaryShape>;

export const summaryPath = (batch: Pick<ReportBatch, 'fromMs' | 'id'>): string => `${batchPath(batch)}summary.json`;

export function summarize(batch: ReportBatch, data: BatchData): BatchSummary {
  return {
    version: 1,
    batch: batch.id,
    totals: data.totals,
    causes: data.causes.map(({ status, class: reason, sensors, example }) => ({
      status,
      class: reason,
      sensors,
      example,
    })),
    devices: groupByDevice(data.sensors).map(({ device, sensors }) => ({
      name: device,
      sensors: sensors.length,
      windows: sensors.reduce((sum, sensor) => sum + sensor.windows, 0),
      anomalies: sensors.reduce((sum, sensor) => sum + sensor.anomalies, 0),
      notScored: sensors.filter((sensor) => sensor.status !== 'scored').length,
    })),
    omitted: data.omitted,
  };
}

/** Undefined for what is not a summary of this batch. */
export function readSummary(text: string, batchId: string): BatchSummary | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = summaryShape.safeParse(json);
  return parsed.success && parsed.data.batch === batchId ? parsed.data : undefined;
}
