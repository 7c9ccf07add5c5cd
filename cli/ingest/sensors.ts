/** `fleetscore sensors ...`: the sensor list. */
import { Option, type Command } from 'commander';
import { FleetscoreError } from '../../domain/errors.ts';
import { isoTime } from '../../domain/time.ts';
import { formatCount } from '../../report/format.ts';
import { action, asWhole, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { table, when } from '../frame/text.ts';

export function registerSensors(program: Command): void {
  program
    .command('sensors')
    .description('the sensors of the fleet')
    .command('list')
    .description('list sensors with the readings that are stored of them')
    .option('--device <name>', 'only those of a device')
    .addOption(new Option('--limit <n>', 'how many at the most').default(1_000).argParser(asWhole(1, 1_000_000)))
    .action(action<[], { device?: string; limit: number }>(list));
}

async function list(context: Context, options: { device?: string; limit: number }): Promise<Output> {
  const store = await context.store();
  const sensors = await store.listSensors(options);
  const last = sensors[sensors.length - 1];
  const range = last ? { from: sensors[0]!.id, to: last.id + 1 } : { from: 0, to: 0 };
  const stats = new Map((await store.windowStats(range)).map((s) => [s.sensorId, s]));
  const release = await store.currentRelease();
  const models =
    release === undefined
      ? []
      : await store.listReleaseModels(release, { after: range.from - 1, limit: options.limit });
  const modelOf = new Map(models.map((m) => [m.sensorId, m.model]));
  const rows = sensors.map((sensor) => ({ ...sensor, stats: stats.get(sensor.id), model: modelOf.get(sensor.id) }));
  if (options.device !== undefined && rows.length === 0)
    throw new FleetscoreError(
      'DEVICE_UNKNOWN',
      `there is no sensor of a device ${JSON.stringify(options.device)}. \`fleetscore sensors list\` shows those there are.`,
    );
  const total = await store.countSensors();
  const text = table(
    [
      { title: 'Device' },
      { title: 'Sensor' },
      { title: 'Unit' },
      { title: 'Windows', align: 'right' },
      { title: 'First (UTC)' },
      { title: 'Last (UTC)' },
      { title: 'Model' },
    ],
    rows.map((r) => [
      r.device,
      r.sensor,
      r.unit,
      formatCount(r.stats?.windows ?? 0),
      when(r.stats?.firstMs),
      when(r.stats?.lastMs),
      r.model?.slice(0, 12) ?? 'none',
    ]),
    'No sensors yet: they appear with their first reading (fleetscore send FILE.csv) or model (fleetscore models publish DIR).',
  );
  return {
    data: rows.map((r) => ({
      device: r.device,
      sensor: r.sensor,
      unit: r.unit,
      windows: r.stats?.windows ?? 0,
      first: r.stats ? isoTime(r.stats.firstMs) : null,
      last: r.stats ? isoTime(r.stats.lastMs) : null,
      model: r.model ?? null,
    })),
    text:
      options.device === undefined && total > rows.length
        ? `${text}\n${formatCount(rows.length)} of ${formatCount(total)} sensors; --limit shows more.`
        : text,
  };
}
