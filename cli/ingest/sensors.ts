/** `fleetscore sensors ...`: the sensor list. */
import { DAY_MS, isoTime } from '../../domain/time.ts';
import { formatCount } from '../../report/format.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { unknownDevice } from '../frame/known.ts';
import { emptyIn, table, when } from '../frame/text.ts';
import { listRetired } from './retire.ts';
import { modelsOf, retiredOf, statsOf } from './stored-of.ts';

interface ListOptions {
  readonly device?: string;
  readonly limit: number;
  readonly count?: boolean;
  readonly retired?: boolean;
}

export async function list(context: Context, given: ListOptions): Promise<Output> {
  const { count = false, retired = false, ...options } = given;
  if (retired) return listRetired(context, options);
  const store = await context.store();
  const sensors = await store.listSensors(options);
  const stats = await statsOf(store, sensors, { countFromMs: count ? 0 : Date.now() - DAY_MS });
  const release = await store.currentRelease();
  const models = release === undefined ? undefined : await modelsOf(store, sensors, release);
  const out = await retiredOf(store, sensors);
  const rows = sensors.map((sensor) => ({
    ...sensor,
    stats: stats.get(sensor.id),
    model: models?.get(sensor.id),
    retired: out.get(sensor.id),
  }));
  if (options.device !== undefined && rows.length === 0) throw await unknownDevice(store, options.device);
  const total = await store.countSensors();
  const text = table(
    [
      { title: 'Device' },
      { title: 'Sensor' },
      { title: 'Unit', leave: 3 },
      { title: count ? 'Windows' : 'Windows, 24 h', align: 'right' },
      { title: 'First (UTC)', whole: true, leave: 1 },
      { title: 'Last (UTC)', whole: true, leave: 4 },
      { title: 'Model', whole: true, leave: 2 },
    ],
    rows.map((r) => [
      r.device,
      r.sensor,
      r.unit,
      formatCount(r.stats?.windows ?? 0),
      when(r.stats?.firstMs),
      when(r.stats?.lastMs),
      r.retired ? 'out of service' : (r.model?.slice(0, 12) ?? 'none'),
    ]),
    emptyIn(
      context,
      'No sensors yet: they appear with their first reading (fleetscore send FILE.csv) or model (fleetscore ' +
        'models publish DIR).',
    ),
  );
  return {
    data: rows.map((r) => ({
      device: r.device,
      sensor: r.sensor,
      unit: r.unit,
      windows: count ? (r.stats?.windows ?? 0) : null,
      windowsLastDay: count ? null : (r.stats?.windows ?? 0),
      first: r.stats ? isoTime(r.stats.firstMs) : null,
      last: r.stats ? isoTime(r.stats.lastMs) : null,
      model: r.model ?? null,
      retired: r.retired ? { at: isoTime(r.retired.atMs), by: r.retired.by, comment: r.retired.comment } : null,
    })),
    text:
      options.device === undefined && total > rows.length
        ? `${text}\n${formatCount(rows.length)} of ${formatCount(total)} sensors; --limit shows more.`
        : text,
  };
}
