/** `fleetscore readings DEVICE/SENSOR`: the readings that windows are made of, and the events they came in. */
import { rawReader } from '../../connect/raw-reader.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { isoTime, parseTime, windowStart, type Period } from '../../domain/time.ts';
import { firstWindowStart } from '../../domain/windowing.ts';
import { captureLayouts } from '../../ingest/capture-layout.ts';
import { findRaw, type RawReading, type RawSearch } from '../../ingest/find-raw.ts';
import { storedWindows } from '../../ingest/settings.ts';
import { formatCount, formatNumberOf, formatValue } from '../../report/format.ts';
import type { WindowReadings } from '../../storage/store.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { knownSensor, type SensorWords } from '../frame/known.ts';
import { table, when } from '../frame/text.ts';

interface Options {
  readonly from?: number;
  readonly to?: number;
  readonly limit: number;
}

export async function show(
  context: Context,
  options: Options,
  ...words: readonly [string, string?, string?]
): Promise<Output> {
  const [names, time] = namesAndTime(words);
  const sensor = await knownSensor(context, names);
  const store = await context.store();
  const shape = await storedWindows(store, context.config.ingest);
  const period = periodOf(options, time, shape);
  // A reading is in every window that holds its time: any one of them will do.
  const windows = await store.readWindowReadings(sensor.id, {
    fromMs: firstWindowStart(period.fromMs, shape),
    toMs: period.toMs,
  });
  const all = inPeriod(windows, period);
  const tsMs = all.tsMs.slice(0, options.limit);
  const readings = { ...all, tsMs, values: all.values.slice(0, options.limit) };
  const raw = rawReader(context.config);
  const found = await findRaw({
    blobs: context.blobs(),
    ...raw,
    layouts: captureLayouts(await store.listProgress(), raw.captureNames),
    sensor,
    period,
    times: tsMs,
  });
  return {
    data: readingsData(readings, found),
    text: [
      readingsTable(readings, found, sensor.unit, options.limit),
      ...(all.tsMs.length > tsMs.length
        ? [`The first ${formatCount(tsMs.length)} of ${formatCount(all.tsMs.length)}; --limit shows more.`]
        : []),
      ...(all.count > all.tsMs.length ? ['Of some windows only the aggregate is kept, not the readings.'] : []),
    ].join('\n'),
    ...(all.tsMs.length === 0 ? { exitCode: EXIT_FAILED } : {}),
  };
}

/** One word and perhaps a time, or device, sensor and perhaps a time. */
function namesAndTime(words: readonly [string, string?, string?]): [SensorWords, number | undefined] {
  const [first, second, third] = words;
  if (third !== undefined) return [[first, second], parseTime(third)];
  if (second === undefined) return [[first], undefined];
  const time = first.includes('/') ? timeOf(second) : undefined;
  return time === undefined ? [[first, second], undefined] : [[first], time];
}

/** @throws FleetscoreError `INVALID_TIME` for what begins as a time and is none */
function timeOf(text: string): number | undefined {
  try {
    return parseTime(text);
  } catch (error) {
    if (/^\d{4}-\d/.test(text)) throw error;
    return undefined; // it is the name of a sensor, and the device has a slash in its name
  }
}

function periodOf(
  { from, to }: Options,
  time: number | undefined,
  { windowMs, hopMs }: { readonly windowMs: number; readonly hopMs: number },
): Period {
  if (time !== undefined && from === undefined && to === undefined) {
    const fromMs = windowStart(time, hopMs);
    return { fromMs, toMs: fromMs + windowMs };
  }
  if (time !== undefined || from === undefined || to === undefined || from >= to)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      'say a time, or --from and a later --to: fleetscore readings press-7/oil-temp 2026-11-23T14:00:05',
    );
  return { fromMs: from, toMs: to };
}

/** Each time once, in order. */
function inPeriod(windows: readonly WindowReadings[], { fromMs, toMs }: Period): WindowReadings {
  const byTime = new Map<number, number>();
  let count = 0;
  for (const window of windows) {
    if (window.tsMs.length < window.count) count += window.count;
    window.tsMs.forEach((ts, i) => ts >= fromMs && ts < toMs && byTime.set(ts, window.values[i]!));
  }
  const sorted = [...byTime].sort(([a], [b]) => a - b);
  return {
    startMs: fromMs,
    count: count + sorted.length,
    tsMs: sorted.map(([ts]) => ts),
    values: sorted.map(([, value]) => value),
  };
}

/** The newest event that brought a reading's value: what came last counts. */
const origins = ({ readings }: RawSearch): ReadonlyMap<number, RawReading> =>
  new Map(readings.map((reading) => [reading.tsMs, reading]));

export function readingsData(readings: WindowReadings | undefined, found: RawSearch): readonly object[] {
  const origin = origins(found);
  return (readings?.tsMs ?? []).map((ts, i) => {
    const event = origin.get(ts);
    return {
      ts: isoTime(ts),
      value: readings!.values[i]!,
      event: event
        ? {
            blob: `raw/${event.file}`,
            partition: event.partition,
            sequenceNumber: event.seq,
            arrived: isoTime(event.arrivedMs),
          }
        : null,
    };
  });
}

export function readingsTable(readings: WindowReadings, found: RawSearch, unit: string, limit: number): string {
  const origin = origins(found);
  const shown = readings.tsMs.slice(0, limit);
  const rows = shown.map((ts, i) => {
    const event = origin.get(ts);
    return [
      when(ts),
      formatValue(readings.values[i]!),
      event ? when(event.arrivedMs) : 'not found',
      event ? `${event.partition} / ${formatCount(event.seq)}` : '-',
      event ? `raw/${event.file}` : '-',
    ];
  });
  const body = table(
    [
      { title: 'Reading (UTC)', whole: true },
      { title: unit === '' ? 'Value' : `Value (${unit})`, align: 'right' },
      { title: 'Arrived', whole: true, leave: 1 },
      { title: 'Partition / event', whole: true, leave: 2 },
      { title: 'File', leave: 3 },
    ],
    rows,
    'There are no readings.',
  );
  const missing = shown.filter((ts) => !origin.has(ts)).length;
  const more = found.complete ? '' : ` (the search ended after ${formatNumberOf(found.files, 'file')})`;
  const notFound =
    `${formatNumberOf(missing, 'reading')} not found in raw capture${more}. What came last is not in a file yet ` +
    '(FLEETSCORE_CAPTURE_INTERVAL, a minute by default).';
  return missing === 0 || shown.length === 0 ? body : `${body}\n${notFound}`;
}
