/** Tables of the page: injected faults, sensors that were not scored, and the batches themselves. */
import { plainTime } from '../../domain/time.ts';
import { compareKeys, type BatchData, type Cause, type ReportBatch, type ReportSensor } from '../collect/batch-data.ts';
import type { FaultMatch, MatchedFault } from '../collect/faults.ts';
import {
  formatCount,
  formatDelay,
  formatMs,
  formatNumberOf,
  formatPeriod,
  formatShare,
  formatTime,
} from '../format.ts';
import { html, type Markup } from './markup.ts';
import {
  cell,
  chip,
  code,
  columns,
  linked,
  nameOf,
  numberCell,
  row,
  scrollTable,
  section,
  type Column,
} from './parts.ts';

const MOST_FAULTS = 500;
const MOST_NAMES = 100;

/** @param hrefOf address of a sensor, when it has one */
export function faultSection(
  match: FaultMatch,
  hrefOf: (key: { device: string; sensor: string }) => string | undefined,
): Markup | false {
  const { faults } = match;
  if (faults.length === 0) return false;
  const shown =
    faults.length <= MOST_FAULTS
      ? faults
      : faults.toSorted((a, b) => Number(a.found) - Number(b.found)).slice(0, MOST_FAULTS);
  const silent = faults.filter((fault) => !fault.found && fault.findable === false).length;
  const oneDay = new Set(faults.map((fault) => plainTime(fault.fromMs).slice(0, 10))).size === 1;
  const surprise =
    silent > 0
      ? ` (${formatCount(silent)} ${silent === 1 ? 'looks' : 'look'} like normal readings to a model of single windows)`
      : '';
  const alarms = formatNumberOf(match.falseAlarms, 'false alarm');
  const alarmShare = formatShare(match.falseAlarms, match.quietWindows) || '0%';
  const lead = [
    `${formatCount(match.found)} of ${formatCount(faults.length)} found, ${formatCount(match.missed)} ` +
      `missed${surprise}.`,
    `${alarms}: ${alarmShare} of the windows outside faults.`,
    ...(faults.length > shown.length ? [`Only ${formatCount(shown.length)} are listed, missed ones first.`] : []),
  ].join(' ');
  const rows = shown.map((fault) =>
    row(
      html`<td>${faultChip(fault)}</td>`,
      html`<td>${nameOf(fault.device)} / ${linked(hrefOf(fault), nameOf(fault.sensor))}</td>`,
      html`<td>${fault.kind}</td>`,
      cell('nw', plainTime(fault.fromMs).slice(oneDay ? 11 : 0)),
      numberCell(formatMs(fault.toMs - fault.fromMs)),
      numberCell(`${formatCount(fault.anomalies)} of ${formatCount(fault.windows)}`),
      numberCell(formatDelay(fault.delayMs)),
    ),
  );
  return section('faults', 'Injected faults', lead, scrollTable('faults', FAULT_COLUMNS, rows));
}

const FAULT_COLUMNS: readonly Column[] = [
  { title: 'Result' },
  { title: 'Sensor' },
  { title: 'Kind' },
  { title: 'From (UTC)' },
  { title: 'Lasts', number: true },
  { title: 'Anomalous windows', number: true },
  { title: 'Found after', number: true },
];

function faultChip(fault: MatchedFault): Markup {
  if (fault.found) return chip('found', '✓ found');
  if (fault.windows === 0) return chip('missed', '✗ not scored');
  return fault.findable === false ? chip('long', '✗ missed, as expected') : chip('missed', '✗ missed');
}

export function causeSection(data: BatchData, hrefOf: (key: ReportSensor) => string | undefined): Markup | false {
  if (data.causes.length === 0) return false;
  const byReason = Map.groupBy(
    data.sensors.filter((sensor) => sensor.status !== 'scored'),
    (sensor) => (sensor.status === 'cancelled' ? 'cancelled' : (sensor.class ?? '')),
  );
  const names = (cause: Cause): Markup | false => {
    const own = (byReason.get(cause.class) ?? []).toSorted(compareKeys);
    if (cause.sensors < 2 || own.length === 0) return false;
    const links = own
      .slice(0, MOST_NAMES)
      .map(
        (sensor, i) => html`${i > 0 && ', '}${linked(hrefOf(sensor), nameOf(`${sensor.device} / ${sensor.sensor}`))}`,
      );
    const more = cause.sensors - Math.min(own.length, MOST_NAMES);
    return html`
      <details>
        <summary>which sensors</summary>
        ${links}${more > 0 && ` and ${formatCount(more)} more`}
      </details>`;
  };
  const rows = data.causes.map((cause) =>
    row(
      cell('nw', chip(cause.status)),
      cell('mono nw', cause.class),
      numberCell(
        html`${formatCount(cause.sensors)}<span class="small"> ${cause.sensors === 1 ? 'sensor' : 'sensors'}</span>`,
      ),
      cell('msg', html`${cause.sensors > 1 && 'For example '}${exampleOf(cause)}${names(cause)}`),
    ),
  );
  return section('causes', 'Not scored', CAUSE_LEAD, scrollTable('causes', CAUSE_COLUMNS, rows, { kind: 'stack' }));
}

const CAUSE_LEAD =
  'Skipped sensors had nothing to score, or nothing to score with; ' +
  'failed ones had a problem that somebody should look at.';

const CAUSE_COLUMNS: readonly Column[] = [
  { title: 'Outcome' },
  { title: 'Class' },
  { title: 'Sensors', number: true },
  { title: 'What was wrong' },
];

function exampleOf({ example }: Cause): Markup {
  const { device, sensor, message } = example;
  return html`${nameOf(`${device} / ${sensor}`)}${message !== undefined && html`: ${message}`}`;
}

export function batchSection({ batches }: BatchData): Markup | false {
  if (batches.length < 2) return false;
  // What all batches share is in the header already.
  const differ = (of: (batch: ReportBatch) => string | undefined): boolean => new Set(batches.map(of)).size > 1;
  const kinds = batches.some((batch) => batch.kind !== 'score');
  const releases = differ((batch) => batch.release);
  const schedules = differ((batch) => batch.schedule);
  const rows = batches.map((batch) =>
    row(
      cell('mono nw', batch.id),
      cell('nw', formatPeriod(batch)),
      cell('nw', chip(batch.status)),
      kinds && html`<td>${kindOf(batch)}</td>`,
      releases && html`<td>${batch.release}</td>`,
      schedules && html`<td>${batch.schedule ?? ''}</td>`,
      numberCell(formatCount(batch.counts.scored)),
      numberCell(formatCount(batch.counts.skipped)),
      numberCell(formatCount(batch.counts.failed)),
      numberCell(formatCount(batch.counts.anomalies)),
      cell('nw', formatTime(batch.startedAtMs)),
      numberCell(batch.finishedAtMs === undefined ? '' : formatMs(batch.finishedAtMs - batch.startedAtMs)),
    ),
  );
  const head = columns(
    { title: 'Batch' },
    { title: 'Period' },
    { title: 'Status' },
    kinds && { title: 'Kind' },
    releases && { title: 'Release' },
    schedules && { title: 'Schedule' },
    { title: 'Scored', number: true },
    { title: 'Skipped', number: true },
    { title: 'Failed', number: true },
    { title: 'Anomalies', number: true },
    { title: 'Started (UTC)' },
    { title: 'Took', number: true },
  );
  return section('batches', 'Batches', '', scrollTable('batches', head, rows));
}

/** What a batch is for, and of which one: `redrive of 2026...`. */
export function kindOf(batch: Pick<ReportBatch, 'kind' | 'supersedes'>): Markup {
  return html`${batch.kind}${batch.supersedes !== undefined && html` of ${code(batch.supersedes)}`}`;
}
