/** Devices over the latest batches: their totals and the heat map, a column a batch. Pure. */
import type { ReportBatch } from '../collect/batch-data.ts';
import { formatCount, formatNumberOf, formatTime } from '../format.ts';
import { withAll, type HeatMap } from '../charts/heat-map.ts';
import { html, type Markup } from '../page/markup.ts';
import { heatNumbers, heatPanel, type AxisLabel } from '../page/heat.ts';
import { section } from '../page/parts.ts';
import { deviceFile } from './paths.ts';
import { DAY_MS } from '../../domain/time.ts';
import type { ListedBatch } from './fleet-frame.ts';

export interface DeviceTotal {
  readonly name: string;
  readonly windows: number;
  readonly anomalies: number;
  readonly notScored: number;
  /** The newest batch that has a page of the device. */
  readonly newest: ReportBatch;
}

export function deviceTotals(line: readonly ListedBatch[]): DeviceTotal[] {
  const totals = new Map<string, DeviceTotal>();
  for (const { batch, summary } of line)
    for (const device of summary.devices) {
      const sum = totals.get(device.name);
      totals.set(device.name, {
        name: device.name,
        newest: batch,
        windows: (sum?.windows ?? 0) + device.windows,
        anomalies: (sum?.anomalies ?? 0) + device.anomalies,
        notScored: (sum?.notScored ?? 0) + device.notScored,
      });
    }
  return [...totals.values()];
}

export function batchHeat(line: readonly ListedBatch[], devices: readonly DeviceTotal[]): HeatMap {
  const at = new Map(devices.map((device, i) => [device.name, i]));
  const rows = devices.map(({ name }) => ({
    name,
    density: { windows: new Uint32Array(line.length), anomalies: new Uint32Array(line.length) },
  }));
  line.forEach(({ summary }, slice) => {
    for (const { name, windows, anomalies } of summary.devices) {
      const row = rows[at.get(name) ?? -1];
      if (!row) continue;
      row.density.windows[slice] = windows;
      row.density.anomalies[slice] = anomalies;
    }
  });
  return withAll(line.length, rows);
}

export function batchAxis(line: readonly ListedBatch[]): AxisLabel[] {
  const every = Math.ceil(line.length / 8);
  const oneDay = new Set(line.map(({ batch }) => formatTime(batch.fromMs).slice(0, 10))).size === 1;
  const short = line.every(({ batch }) => batch.toMs - batch.fromMs < DAY_MS);
  return line.flatMap(({ batch }, i) =>
    i % every > 0
      ? []
      : [
          [
            (i + 0.5) / line.length,
            oneDay ? formatTime(batch.fromMs).slice(11) : formatTime(batch.fromMs).slice(5, short ? undefined : 10),
          ] as const,
        ],
  );
}

/** @param of devices in all, where the map has only those with most anomalies */
export function fleetHeat(
  line: readonly ListedBatch[],
  map: HeatMap,
  of: number | undefined,
  pageOf: ReadonlyMap<string, string>,
): Markup {
  const most =
    of !== undefined && ` The ${formatCount(map.rows.length)} of ${formatNumberOf(of, 'device')} with most anomalies.`;
  const lead = html`
    A column a batch, coloured by the share of anomalous windows${map.all && '; above, how many in all'}.${' '}
    A slice opens the page of the device in that batch.${most}`;
  const panel = heatPanel({
    map,
    axis: batchAxis(line),
    allName: 'All devices',
    cells: true,
    label: 'Anomalies per device and batch',
    href: (name) => pageOf.get(name),
  });
  return section('when', 'Devices over time', lead, panel);
}

/** As in all pages, with the file that a slice opens in the folder of its batch. */
export function fleetNumbers(map: HeatMap, devices: readonly DeviceTotal[]): object {
  const { n, rows } = heatNumbers(map);
  const files = [
    ...(map.all ? [{ all: 1 }] : []),
    ...devices.map(({ name }) => ({ f: `devices/${deviceFile(name)}` })),
  ];
  return { n, rows: rows.map((row, i) => ({ ...row, ...files[i] })) };
}
