/**
 * A batch as a report gets it, made from the sample fleet's own readings: labels come from each sensor's
 * envelope, plus rare false alarms, so pictures look like real ones. Seeded; no clock.
 */
import { SAMPLE_FLEET, envelope, type SampleSensor } from '../../samples/fleet.ts';
import { DEFAULT_SEED, faultsIn } from '../../samples/faults.ts';
import { uniformAt } from '../../samples/random.ts';
import { sampleReadings } from '../../samples/readings.ts';
import { NO_OUTCOMES, countOutcomes } from '../../domain/outcome.ts';
import { isoTime } from '../../domain/time.ts';
import { compareKeys, NO_SERIES } from '../../report/collect/batch-data.ts';
import type {
  BatchData,
  InjectedFault,
  PredictionSeries,
  ReportBatch,
  ReportSensor,
} from '../../report/collect/batch-data.ts';

export const FROM_MS = Date.parse('2026-11-23T14:00:00Z');
export const QUARTER_MS = 15 * 60_000;

function seriesOf(sensor: SampleSensor, fromMs: number, toMs: number, seed: number): PredictionSeries {
  const readings = sampleReadings(sensor.index, fromMs, toMs, { seed });
  const edge = envelope(sensor);
  const score = readings.map((reading) => (edge - Math.abs(reading.value - sensor.normal)) / edge);
  return {
    tsMs: Float64Array.from(readings, (reading) => Math.floor(reading.tsMs / 5_000) * 5_000),
    value: Float64Array.from(readings, (reading) => reading.value),
    prediction: Uint8Array.from(score, (s, i) => (s < 0 || uniformAt(seed, sensor.index, i, 9) < 0.0004 ? 1 : 0)),
    score: Float64Array.from(score),
  };
}

export function makeBatch(id: string, fromMs: number, toMs: number, over: Partial<ReportBatch> = {}): ReportBatch {
  return {
    id,
    kind: 'score',
    fromMs,
    toMs,
    release: 'spring-2026',
    schedule: 'every-15m',
    status: 'completed',
    planned: 60,
    counts: NO_OUTCOMES,
    startedAtMs: toMs + 30_000,
    finishedAtMs: toMs + 34_200,
    ...over,
  };
}

/** The sample fleet over `quarters` batches of 15 minutes, `copies` times over (devices get a number). */
export function makeData({ quarters = 4, copies = 1, trouble = true, seed = DEFAULT_SEED } = {}): BatchData {
  const toMs = FROM_MS + quarters * QUARTER_MS;
  const sensors: ReportSensor[] = [];
  const faults: InjectedFault[] = [];
  for (let copy = 0; copy < copies; copy++) {
    const suffix = copies > 1 ? ` ${copy + 1}` : '';
    for (const fault of faultsIn(FROM_MS, toMs, seed + copy)) {
      const { sensor, kind, fromMs, toMs: end, findable } = fault;
      faults.push({ device: sensor.device + suffix, sensor: sensor.sensor, kind, fromMs, toMs: end, findable });
    }
    for (const sample of SAMPLE_FLEET) {
      const key = { device: sample.device + suffix, sensor: sample.sensor, unit: sample.unit };
      const batches = { batches: quarters, batchesWithStatus: quarters };
      const at = sample.index + copy * SAMPLE_FLEET.length;
      if (trouble && at % 60 === 13) {
        const message = 'the model file is not ONNX: it starts with 3c 68 74 6d 6c. Import the model again.';
        sensors.push({
          ...key,
          ...batches,
          status: 'failed',
          class: 'model_corrupt',
          message,
          windows: 0,
          anomalies: 0,
          series: NO_SERIES,
        });
      } else if (trouble && at % 60 === 37) {
        sensors.push({
          ...key,
          ...batches,
          status: 'skipped',
          class: 'no_data',
          message: 'no window in the period',
          windows: 0,
          anomalies: 0,
          series: NO_SERIES,
        });
      } else {
        const series = seriesOf(sample, FROM_MS, toMs, seed + copy);
        const anomalies = series.prediction.reduce((sum, p) => sum + p, 0);
        sensors.push({ ...key, ...batches, status: 'scored', windows: series.tsMs.length, anomalies, series });
      }
    }
  }
  sensors.sort(compareKeys);
  const counts = countOutcomes(sensors.map((sensor, sensorId) => ({ ...sensor, sensorId, attempt: 1 })));
  const bad = sensors.filter((sensor) => sensor.status !== 'scored');
  const batches = Array.from({ length: quarters }, (_, i) => {
    const from = FROM_MS + i * QUARTER_MS;
    const id = `${isoTime(from + QUARTER_MS).replace(/[-:]|\.000/g, '')}-1a2b3c4${i}`;
    return makeBatch(id, from, from + QUARTER_MS, { counts, planned: sensors.length });
  });
  const { device, sensor } = bad[0] ?? { device: '', sensor: '' };
  return {
    fromMs: FROM_MS,
    toMs,
    batches,
    totals: { sensors: sensors.length, ...counts },
    sensors,
    faults,
    omitted: 0,
    problems: [],
    causes: [...Map.groupBy(bad, (s) => s.class!)].map(([reason, own]) => ({
      status: own[0]!.status,
      class: reason,
      sensors: own.length,
      example: { device: own[0]?.device ?? device, sensor: own[0]?.sensor ?? sensor, message: own[0]!.message! },
    })),
  };
}
