/** Tables of the page: injected faults, sensors that were not scored, and the batches themselves. */
import { plainTime } from '../../domain/time.ts';
import { compareKeys, type BatchData, type Cause, type ReportBatch, type ReportSensor } from '../collect/batch-data.ts';
import type { FaultMatch } from '../collect/faults.ts';
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
  const rows = shown.map((fault) => {
    const href = hrefOf(fault);
    const name = html`<bdi>${fault.sensor}</bdi>`;
    const chip = fault.found
      ? html`<span class="chip found">✓ found</span>`
      : fault.windows === 0
        ? html`<span class="chip missed">✗ not scored</span>`
        : fault.findable === false
          ? html`<span class="chip long">✗ missed, as expected</span>`
          : html`<span class="chip missed">✗ missed</span>`;
    return html`<tr><td>${chip}</td><td><bdi>${fault.device}</bdi> / ${href === undefined ? name : html`<a href="${href}">${name}</a>`}</td><td>${fault.kind}</td>
<td class="nw">${plainTime(fault.fromMs).slice(oneDay ? 11 : 0)}</td><td class="num">${formatMs(fault.toMs - fault.fromMs)}</td><td class="num">${formatCount(fault.anomalies)} of ${formatCount(fault.windows)}</td><td class="num">${formatDelay(fault.delayMs)}</td></tr>
`;
  });
  const surprise = silent > 0 ? ` (${formatCount(silent)} look like normal readings to a model of single windows)` : '';
  return html`<section aria-labelledby="faults"><h2 id="faults">Injected faults</h2>
<p class="lead">${formatCount(match.found)} of ${formatCount(faults.length)} found, ${formatCount(match.missed)} missed${surprise}. ${formatNumberOf(match.falseAlarms, 'false alarm')}: ${formatShare(match.falseAlarms, match.quietWindows) || '0%'} of the windows outside faults.${faults.length > shown.length && ` Only ${formatCount(shown.length)} are listed, missed ones first.`}</p>
<div class="panel scroll" tabindex="0" role="region" aria-labelledby="faults"><table><thead><tr><th scope="col">Result</th><th scope="col">Sensor</th><th scope="col">Kind</th><th scope="col">From (UTC)</th><th scope="col" class="num">Lasts</th><th scope="col" class="num">Anomalous windows</th><th scope="col" class="num">Found after</th></tr></thead>
<tbody>${rows}</tbody></table></div></section>
`;
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
    const links = own.slice(0, MOST_NAMES).map((sensor, i) => {
      const href = hrefOf(sensor);
      const name = html`<bdi>${sensor.device} / ${sensor.sensor}</bdi>`;
      return html`${i > 0 && ', '}${href === undefined ? name : html`<a href="${href}">${name}</a>`}`;
    });
    const more = cause.sensors - Math.min(own.length, MOST_NAMES);
    return html`<details><summary>which sensors</summary>${links}${more > 0 && ` and ${formatCount(more)} more`}</details>`;
  };
  const rows = data.causes.map(
    (
      cause,
    ) => html`<tr><td class="nw"><span class="chip ${cause.status}">${cause.status}</span></td><td class="mono nw">${cause.class}</td><td class="num">${formatCount(cause.sensors)}<span class="small"> ${cause.sensors === 1 ? 'sensor' : 'sensors'}</span></td>
<td class="msg">${cause.sensors > 1 && 'For example '}<bdi>${cause.example.device} / ${cause.example.sensor}</bdi>${cause.example.message !== undefined && html`: ${cause.example.message}`}${names(cause)}</td></tr>
`,
  );
  return html`<section aria-labelledby="causes"><h2 id="causes">Not scored</h2>
<p class="lead">Skipped sensors had nothing to score, or nothing to score with; failed ones had a problem that somebody should look at.</p>
<div class="panel scroll" tabindex="0" role="region" aria-labelledby="causes"><table class="stack"><thead><tr><th scope="col">Outcome</th><th scope="col">Class</th><th scope="col" class="num">Sensors</th><th scope="col">What was wrong</th></tr></thead>
<tbody>${rows}</tbody></table></div></section>
`;
}

export function batchSection({ batches }: BatchData): Markup | false {
  if (batches.length < 2) return false;
  // What all batches share is in the header already.
  const differ = (of: (batch: ReportBatch) => string | undefined): boolean => new Set(batches.map(of)).size > 1;
  const kinds = batches.some((batch) => batch.kind !== 'score');
  const releases = differ((batch) => batch.release);
  const schedules = differ((batch) => batch.schedule);
  const rows = batches.map(
    (
      batch,
    ) => html`<tr><td class="mono nw">${batch.id}</td><td class="nw">${formatPeriod(batch)}</td><td class="nw"><span class="chip ${batch.status}">${batch.status}</span></td>${kinds && html`<td>${batch.kind}${batch.supersedes !== undefined && html` of <span class="mono">${batch.supersedes}</span>`}</td>`}${releases && html`<td>${batch.release}</td>`}${schedules && html`<td>${batch.schedule ?? ''}</td>`}
<td class="num">${formatCount(batch.counts.scored)}</td><td class="num">${formatCount(batch.counts.skipped)}</td><td class="num">${formatCount(batch.counts.failed)}</td><td class="num">${formatCount(batch.counts.anomalies)}</td><td class="nw">${formatTime(batch.startedAtMs)}</td><td class="num">${batch.finishedAtMs === undefined ? '' : formatMs(batch.finishedAtMs - batch.startedAtMs)}</td></tr>
`,
  );
  return html`<section aria-labelledby="batches"><h2 id="batches">Batches</h2>
<div class="panel scroll" tabindex="0" role="region" aria-labelledby="batches"><table><thead><tr><th scope="col">Batch</th><th scope="col">Period</th><th scope="col">Status</th>${kinds && html`<th scope="col">Kind</th>`}${releases && html`<th scope="col">Release</th>`}${schedules && html`<th scope="col">Schedule</th>`}<th scope="col" class="num">Scored</th><th scope="col" class="num">Skipped</th><th scope="col" class="num">Failed</th><th scope="col" class="num">Anomalies</th><th scope="col">Started (UTC)</th><th scope="col" class="num">Took</th></tr></thead>
<tbody>${rows}</tbody></table></div></section>
`;
}
