/**
 * Page of one batch: signs that its models do not fit any more, and what its challenger made of the same windows. Pure.
 */
import { type BatchData } from '../collect/batch-data.ts';
import { formatCount, formatNumberOf, formatPeriod, formatShare } from '../format.ts';
import { html, type Markup } from '../page/markup.ts';
import { cell, chip, code, columns, nameOf, numberCell, row, tile, tiles } from '../page/parts.ts';
import { agreedOf } from '../../domain/challenge.ts';
import type { BatchChallenge } from '../../verify/compare-releases.ts';
import { healthCommand, type HealthView } from './health-data.ts';
import { emptySection, renderPage, tableSection } from './layout.ts';
import { frame, linksIn, type BatchPages } from './batch-frame.ts';

const SIGNS = {
  flags_everything: ['Flag everything', '95% of the windows anomalous or more: the model does not fit'],
  flags_nothing: ['Flag nothing', 'no anomaly in ten thousand windows or more'],
  readings_drifted: ['Readings drifted', 'distributed otherwise than before (PSI above 0.25)'],
  anomaly_rate_moved: ['Anomaly rate moved', 'at least doubled or halved'],
} as const;

export function healthPage(pages: BatchPages): string {
  const { health, why, span } = pages.health;
  if (!health || !span)
    return renderPage({
      ...frame(pages, 'Model health'),
      body: html`${emptySection(NOT_LOOKED_AT[why === 'part_of_fleet' ? 'part' : 'large'])}${challengeSection(pages)}`,
    });
  const shown = (Object.keys(SIGNS) as Sign[]).filter((sign) => canTell(sign, span));
  return renderPage({
    ...frame(pages, 'Model health'),
    head: tiles(
      shown.map((sign) => {
        const [name, meaning] = SIGNS[sign];
        const worst = sign === 'flags_everything' ? 'bad' : '';
        return tile(name, formatCount(health.signs[sign]), meaning, health.signs[sign] === 0 ? 'ok' : worst);
      }),
    ),
    body: html`${healthTable(pages.data, health, span)}${challengeSection(pages)}`,
  });
}

type Sign = keyof typeof SIGNS;

type Health = NonNullable<HealthView['health']>;

type HealthSpan = NonNullable<HealthView['span']>;

const NOT_LOOKED_AT = {
  part: html`
    <b>Not looked at:</b> this batch scored a part of the fleet again. The batch it renews has this page for all.`,
  large: html`
    <b>Not looked at:</b> the fleet is too large to do this with every batch.${' '}
    ${code('fleetscore models health')} does it when asked.`,
};

/** Whether batches as long as these can show a sign at all. */
function canTell(sign: Sign, span: HealthSpan): boolean {
  if (sign === 'readings_drifted') return span.readings && span.baseline !== undefined;
  return sign !== 'anomaly_rate_moved' || span.baseline !== undefined;
}

function healthTable(data: BatchData, health: Health, span: HealthSpan): Markup {
  const device = linksIn(data);
  const percent = (share: number | undefined): string => (share === undefined ? '' : formatShare(share, 1));
  const signChip = (sign: Sign): Markup =>
    html`${chip(sign === 'flags_everything' ? 'failed' : 'skipped', SIGNS[sign][0].toLowerCase())} `;
  const rows = health.worst.map((sensor) =>
    row(
      cell('name', html`${device(sensor)} / ${nameOf(sensor.sensor)}`),
      html`<td>${sensor.signs.map(signChip)}</td>`,
      numberCell(percent(sensor.anomalyRate)),
      cell('num opt', percent(sensor.baselineAnomalyRate)),
      span.readings && numberCell(sensor.psi === undefined ? '' : sensor.psi.toFixed(2)),
    ),
  );
  const against = span.baseline
    ? `, compared with ${formatPeriod(span.baseline)}`
    : '; there is no earlier time to compare with yet';
  const most = health.worst.length >= 200 ? ' The 200 most telling sensors.' : '';
  const drift =
    !span.readings &&
    span.baseline &&
    html` Whether readings drifted is not told by batches this short: ${code(healthCommand(span))}`;
  return tableSection({
    id: 'worst',
    title: 'Models to look at',
    lead: html`All batches from ${formatPeriod(span.period)}${against}.${most}${drift}`,
    columns: columns(
      { title: 'Sensor' },
      { title: 'Sign' },
      { title: 'Anomalies', number: true },
      { title: 'Before', number: true, optional: true },
      span.readings && { title: 'PSI', number: true },
    ),
    rows,
    empty: html`<b>No model that scored shows a sign of trouble.</b> What could not score is on the page Failures.`,
  });
}

/** What the challenger of the batch made of the same windows. */
function challengeSection({ challenge, data }: BatchPages): Markup | undefined {
  if (!challenge) return undefined;
  const { release, summary, differences } = challenge;
  const device = linksIn(data);
  const rows = differences.map((sensor) =>
    row(
      cell('name', html`${device(sensor)} / ${nameOf(sensor.sensor)}`),
      numberCell(formatCount(sensor.windows)),
      numberCell(formatCount(sensor.onlyBase)),
      numberCell(formatCount(sensor.onlyChallenger)),
    ),
  );
  return tableSection({
    id: 'challenger',
    title: `Challenger ${release}`,
    lead: challengeLead(challenge),
    columns: [
      { title: 'Sensor' },
      { title: 'Windows', number: true },
      { title: `Anomalies of ${summary?.base ?? 'this release'} alone`, number: true },
      { title: `Of ${release} alone`, number: true },
    ],
    rows,
    empty: html`<b>No sensor's labels differ.</b>`,
  });
}

function challengeLead({ release, share, summary }: BatchChallenge): Markup {
  const of = share === 1 ? 'all sensors' : `${formatShare(share, 1)} of the sensors`;
  const where = `On ${of}, counted and not served`;
  if (!summary) return html`${where}. Nothing was recorded.`;
  const { base, scored, skipped, failed, windows, both, onlyBase, onlyChallenger } = summary;
  const outcomes = `${formatCount(scored)} scored, ${formatCount(skipped)} skipped, ${formatCount(failed)} failed.`;
  const agreed = `${formatShare(agreedOf(summary), windows)} of ${formatNumberOf(windows, 'window')}`;
  const [ofBase, ofChallenger] = [both + onlyBase, both + onlyChallenger].map((n) => formatShare(n, windows));
  const labels =
    windows === 0
      ? 'No window was scored by both.'
      : `${agreed} have the same label; ${ofBase} are anomalous with ${base}, ${ofChallenger} with ${release}.`;
  return html`${where}: ${outcomes} ${labels} Over all batches: ${code(`fleetscore models compare ${release}`)}`;
}
