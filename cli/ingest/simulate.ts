/** `fleetscore simulate`: a synthetic fleet of any size, for benchmarks and demos. */
import { FleetscoreError } from '../../domain/errors.ts';
import { formatDuration, isoTime, parseDuration, windowStart } from '../../domain/time.ts';
import { describeWindows } from '../../domain/windowing.ts';
import { claimWindows } from '../../ingest/settings.ts';
import { formatCount, formatMs, formatNumberOf } from '../../report/format.ts';
import { parseFailures } from '../../samples/simulate-failures.ts';
import { simulateFleet } from '../../samples/simulate.ts';
import type { Output } from '../frame/command.ts';
import { checkDeployment } from '../../storage/deployment-id.ts';
import type { Context } from '../frame/context.ts';
import { startBar, type Bar } from '../batch/progress.ts';

interface SimulateCommand {
  readonly sensors: number;
  readonly windows: number;
  readonly from?: number;
  readonly interval?: string;
  readonly failures?: string;
  readonly modelFiles: 'auto' | 'all' | 'none';
}

export async function simulate(context: Context, options: SimulateCommand): Promise<Output> {
  const { sensors, windows, modelFiles } = options;
  const shape = context.config.ingest;
  const { windowMs } = shape;
  if (shape.hopMs !== windowMs)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `simulate makes windows of one reading each, and windows of ${describeWindows(shape)} share their ` +
        'readings. Leave FLEETSCORE_HOP out, in a folder of its own (--home DIR).',
    );
  const intervalMs = options.interval === undefined ? windowMs : parseDuration(options.interval, '--interval');
  if (intervalMs % windowMs !== 0)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `--interval ${options.interval} is not a multiple of the aggregation interval, ${formatDuration(windowMs)}.`,
    );
  const fromMs = options.from ?? windowStart(Date.now() - windows * intervalMs, windowMs);
  if (fromMs % windowMs !== 0)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `--from ${isoTime(fromMs)} is not the start of a window; windows start every ` +
        `${formatDuration(windowMs)} from midnight UTC on.`,
    );
  const failures = options.failures === undefined ? {} : parseFailures(options.failures, sensors);
  // Blob first: without it no store is made either.
  const blobs = context.blobs();
  await blobs.prepare();
  const store = await context.storeToFill();
  await claimWindows(store, shape);
  await checkDeployment(store, blobs);

  const startedAt = performance.now();
  let bar: (Bar & { readonly step: string }) | undefined;
  try {
    const fleet = await simulateFleet({
      store,
      blobs,
      sensors,
      windows,
      fromMs,
      intervalMs,
      failures,
      nowMs: Date.now(),
      ...(modelFiles === 'auto' ? {} : { modelFiles: modelFiles === 'all' }),
      onProgress(step, done) {
        if (context.json || step === 'release') return;
        if (bar?.step !== step) {
          bar?.end();
          bar = { ...startBar(`simulating ${step}`, 'sensors'), step };
        }
        bar.set(done, sensors);
      },
    });
    const { fromMs: from, toMs, ...rest } = fleet;
    const period = `--from ${isoTime(from)} --to ${isoTime(toMs)}`;
    return {
      data: { ...rest, from: isoTime(from), to: isoTime(toMs) },
      text: [
        `${formatNumberOf(sensors, 'sensor')} with ${formatNumberOf(windows, 'window')} each are in the ` +
          `store (${formatCount(fleet.windowsAdded)} windows new), in ` +
          `${formatMs(performance.now() - startedAt)}.`,
        `Release ${fleet.release} is current: ${formatNumberOf(fleet.models, 'model')} in ` +
          `${formatNumberOf(fleet.packs, 'pack')}, ${formatCount(fleet.modelFiles)} also as files.`,
        `Next: fleetscore batch run ${period} --wait`,
      ].join('\n'),
    };
  } finally {
    bar?.end();
  }
}
