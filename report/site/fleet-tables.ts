/** Tables of the first page: devices to look at, failures by cause, latest batches. Pure. */
import type { ReportBatch } from '../collect/batch-data.ts';
import { formatCount, formatMs, formatShare } from '../format.ts';
import { html, type Markup } from '../page/markup.ts';
import { cell, chip, code, columns, linked, nameOf, numberCell, row, toned } from '../page/parts.ts';
import { formatCost, type CostView } from './cost-data.ts';
import { meter, tableSection } from './layout.ts';
import { batchPath, deviceFile } from './paths.ts';
import type { BatchSummary } from './summary.ts';
import { periodLink, type ListedBatch } from './fleet-frame.ts';
import type { DeviceTotal } from './fleet-heat.ts';

const MOST_TOP = 12;

export function topSection(ranked: readonly DeviceTotal[], pageOf: ReadonlyMap<string, string>): Markup {
  const top = ranked.filter((device) => device.anomalies > 0 || device.notScored > 0).slice(0, MOST_TOP);
  const most = Math.max(1, ...top.map((device) => device.anomalies));
  const rows = top.map(({ name, windows, anomalies, notScored }) =>
    row(
      cell('name', html`<a href="${pageOf.get(name) ?? ''}">${nameOf(name)}</a>`),
      numberCell(html`${toned('hot', anomalies, formatCount(anomalies))}${meter([[1, anomalies / most]])}`),
      numberCell(formatShare(anomalies, windows)),
      numberCell(toned('bad', notScored, formatCount(notScored))),
    ),
  );
  return tableSection({
    id: 'top',
    title: 'Devices to look at',
    lead: 'Most anomalies over these batches.',
    columns: [
      { title: 'Device' },
      { title: 'Anomalies', number: true },
      { title: 'Share', number: true },
      { title: 'Not scored', number: true },
    ],
    rows,
    empty: html`<b>All quiet:</b> no anomaly, and every sensor was scored.`,
  });
}

export function causesSection(
  batch: ReportBatch,
  { causes }: Pick<BatchSummary, 'causes'>,
  withPages: ReadonlySet<string>,
): Markup {
  const rows = causes.map(({ status, class: reason, sensors, example }) => {
    const { device, sensor, message } = example;
    const page = withPages.has(device) ? `${batchPath(batch)}devices/${deviceFile(device)}` : undefined;
    return row(
      cell('nw', chip(status)),
      numberCell(formatCount(sensors)),
      html`
        <td class="msg">
          ${code(reason)}<br>
          ${sensors > 1 && 'for example '}${linked(page, nameOf(device))} / ${nameOf(sensor)}
          ${message !== undefined && html`: ${message}`}
        </td>`,
    );
  });
  return tableSection({
    id: 'causes',
    title: 'Failures by cause',
    lead: html`In the latest batch. <a href="${batchPath(batch)}failures.html">All of them</a>`,
    columns: [{ title: 'Outcome' }, { title: 'Sensors', number: true }, { title: 'Cause' }],
    rows,
    empty: html`<b>Every sensor was scored.</b>`,
  });
}

export function batchesSection(batches: readonly ListedBatch[], cost: CostView | undefined): Markup {
  const kinds = batches.some(({ batch }) => batch.kind !== 'score');
  const rows = batches.toReversed().map(({ batch, summary: { totals } }) => {
    const share = cost?.shares.get(batch.id);
    return row(
      periodLink(batch, 'index.html'),
      html`<td>${chip(batch.status)}</td>`,
      kinds && html`<td>${batch.kind}</td>`,
      numberCell(formatCount(totals.scored)),
      numberCell(toned('bad', totals.failed, formatCount(totals.failed))),
      numberCell(formatCount(totals.skipped)),
      numberCell(toned('hot', totals.anomalies, formatCount(totals.anomalies))),
      numberCell(batch.finishedAtMs === undefined ? '' : formatMs(batch.finishedAtMs - batch.startedAtMs)),
      numberCell(share && cost ? formatCost(share.runMs + share.aroundMs, cost.rate) : ''),
    );
  });
  return tableSection({
    id: 'batches',
    title: 'Latest batches',
    columns: columns(
      { title: 'Period' },
      { title: 'Status' },
      kinds && { title: 'Kind' },
      { title: 'Scored', number: true },
      { title: 'Failed', number: true },
      { title: 'Skipped', number: true },
      { title: 'Anomalies', number: true },
      { title: 'Took', number: true },
      { title: 'Cost', number: true },
    ),
    rows,
  });
}
