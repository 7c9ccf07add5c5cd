/** Pages of one batch: overview, failures, model health, cost. Pure. */
import { groupByDevice, type BatchData, type DeviceGroup, type ReportBatch } from '../collect/batch-data.ts';
import { matchFaults, type FaultMatch } from '../collect/faults.ts';
import { formatCount, formatMs, formatNumberOf, formatPeriod, formatShare } from '../format.ts';
import { busiestRows, heatMap } from '../charts/heat-map.ts';
import { html, type Markup, type MarkupValue } from '../page/markup.ts';
import { heatNumbers, heatSection } from '../page/heat.ts';
import { causeSection, faultSection } from '../page/tables.ts';
import { agreedOf } from '../../domain/challenge.ts';
import type { BatchChallenge } from '../../verify/compare-releases.ts';
import { formatClock, formatCost, type CostView } from './cost-data.ts';
import { healthCommand, type HealthView } from './health-data.ts';
import {
  FIND_KEY,
  HEAT_KEYS,
  meter,
  notes,
  renderPage,
  tableSection,
  tile,
  tiles,
  type SitePage,
  type Tab,
} from './layout.ts';
import { deviceFile, toTop } from './paths.ts';

/** Folders between the top of the site and a batch's pages. */
export const BATCH_DEPTH = 3;

export interface BatchPages {
  readonly batch: ReportBatch;
  readonly data: BatchData;
  readonly health: HealthView;
  readonly challenge?: BatchChallenge;
  readonly cost?: CostView;
  /** Batch whose pages precede these, with the devices that have one there. */
  readonly before?: { readonly id: string; readonly path: string; readonly devices: ReadonlySet<string> };
}

export type BatchTab = 'Overview' | 'Failures' | 'Model health' | 'Cost';

/** @param up from the page to the folder of the batch */
export function batchTabs({ data }: BatchPages, current: BatchTab | undefined, up = ''): Tab[] {
  const unscored = data.totals.sensors - data.totals.scored;
  return (
    [
      ['Overview', 'index'],
      ['Failures', 'failures'],
      ['Model health', 'health'],
      ['Cost', 'cost'],
    ] as const
  ).map(([name, file]) => ({
    name,
    href: `${up}${file}.html`,
    current: name === current,
    ...(name === 'Failures' && unscored > 0 ? { count: formatCount(unscored) } : {}),
  }));
}

/** Short name of a batch, for crumbs and titles. */
export const batchName = (batch: ReportBatch): string => formatPeriod(batch);

export function batchFacts(batch: ReportBatch): Markup {
  return html`<div class="facts"><span class="chip ${batch.status}">${batch.status}</span><span>Batch <b class="mono">${batch.id}</b></span>${batch.kind !== 'score' && html`<span>${batch.kind}${batch.supersedes !== undefined && html` of <b class="mono">${batch.supersedes}</b>`}</span>`}<span>Release <b>${batch.release}</b></span>${batch.schedule !== undefined && html`<span>Schedule <b>${batch.schedule}</b></span>`}<span>Started <b>${formatClock(batch.startedAtMs)}</b>${batch.finishedAtMs !== undefined && html`, took <b>${formatMs(batch.finishedAtMs - batch.startedAtMs)}</b>`}</span></div>`;
}

/** What all pages of a batch share. */
function frame(
  pages: BatchPages,
  tab: BatchTab,
): Pick<SitePage, 'title' | 'depth' | 'crumbs' | 'heading' | 'facts' | 'tabs'> {
  const top = toTop(BATCH_DEPTH);
  return {
    title: `${tab}, ${batchName(pages.batch)}`,
    depth: BATCH_DEPTH,
    heading: formatPeriod(pages.batch),
    facts: batchFacts(pages.batch),
    tabs: batchTabs(pages, tab),
    crumbs: [{ name: 'Fleet', href: `${top}index.html` }, { name: batchName(pages.batch) }],
  };
}

const deviceHref = (device: string): string => `devices/${deviceFile(device)}`;

/** Address of a device that may have no page. */
function hrefIn({ sensors }: BatchData): (of: { readonly device: string }) => string | undefined {
  const devices = new Set(sensors.map((sensor) => sensor.device));
  return ({ device }) => (devices.has(device) ? deviceHref(device) : undefined);
}

/** The name of a device, leading to its page where it has one. */
function linksIn(data: BatchData): (of: { readonly device: string }) => Markup {
  const hrefOf = hrefIn(data);
  return (sensor) => {
    const [href, name] = [hrefOf(sensor), html`<bdi>${sensor.device}</bdi>`];
    return href === undefined ? name : html`<a href="${href}">${name}</a>`;
  };
}

const anomaliesOf = (group: DeviceGroup): number => group.sensors.reduce((sum, sensor) => sum + sensor.anomalies, 0);
const windowsOf = (group: DeviceGroup): number => group.sensors.reduce((sum, sensor) => sum + sensor.windows, 0);
const unscoredOf = (group: DeviceGroup): number => group.sensors.filter((sensor) => sensor.status !== 'scored').length;

/** What is not on the pages, in words. */
export function limitNotes({ omitted, undrawn = 0, sensors }: BatchData): string[] {
  return [
    ...(omitted > 0
      ? [
          `Of this fleet the ${formatNumberOf(sensors.length, 'sensor')} that need attention first have a page: failures and most anomalies. ${formatNumberOf(omitted, 'sensor is', 'sensors are')} counted here, and not drawn.`,
        ]
      : []),
    ...(undrawn > 0
      ? [
          `${formatNumberOf(undrawn, 'sensor has', 'sensors have')} no chart here: there are too many windows to draw for all. \`fleetscore report\` and \`fleetscore predictions\` show them.`,
        ]
      : []),
  ];
}

/** Devices in the heat map; the list below it has all. */
const MOST_HEAT_ROWS = 150;

export function overviewPage(pages: BatchPages): string {
  const { batch, data } = pages;
  const groups = groupByDevice(data.sensors);
  const match = data.faults && matchFaults(data.faults, data.sensors, data);
  const map = busiestRows(heatMap(data), MOST_HEAT_ROWS);
  const ordered = groups.toSorted((a, b) => anomaliesOf(b) - anomaliesOf(a) || unscoredOf(b) - unscoredOf(a));
  const most = Math.max(1, ...groups.map(anomaliesOf));
  const rows = ordered.map((group) => {
    const [windows, anomalies, unscored] = [windowsOf(group), anomaliesOf(group), unscoredOf(group)];
    return html`<tr data-d="${group.device}" data-a="${anomalies}" data-b="${unscored}"><td class="name"><a href="${deviceHref(group.device)}"><bdi>${group.device}</bdi></a></td><td class="num" data-v="${anomalies}"><span class="${anomalies > 0 && 'hot'}">${formatCount(anomalies)}</span>${meter([[1, anomalies / most]])}</td><td class="num" data-v="${windows === 0 ? 0 : anomalies / windows}">${formatShare(anomalies, windows)}</td><td class="num" data-v="${unscored}"><span class="${unscored > 0 && 'bad'}">${formatCount(unscored)}</span></td><td class="num opt" data-v="${group.sensors.length}">${formatCount(group.sensors.length)}</td><td class="num opt" data-v="${windows}">${formatCount(windows)}</td></tr>
`;
  });
  const devices = tableSection(
    'devices',
    'Devices',
    'Each has a page with the charts of its sensors.',
    [
      { title: 'Device' },
      { title: 'Anomalies', number: true },
      { title: 'Share', number: true },
      { title: 'Not scored', number: true },
      { title: 'Sensors', number: true, optional: true },
      { title: 'Windows', number: true, optional: true },
    ],
    rows,
    'No sensor was planned.',
    { id: 'list', tools: findTools('device') },
  );
  return renderPage({
    ...frame(pages, 'Overview'),
    head: html`${pages.before && html`<p class="walk"><a href="${toTop(BATCH_DEPTH)}${pages.before.path}index.html" rel="prev">← Batch before</a></p>`}${batchTiles(pages, match)}${notes([...(batch.message === undefined ? [] : [batch.message]), ...data.problems, ...limitNotes(data)])}`,
    body: html`${heatSection(data, map, match?.faults ?? [], deviceHref)}${match && faultSection(match, hrefIn(data))}${causeSection(data, (sensor) => deviceHref(sensor.device))}${devices}`,
    data: { from: data.fromMs, to: data.toMs, heat: heatNumbers(map) },
    keys: html`${FIND_KEY}${HEAT_KEYS}`,
  });
}

/** The filter over a list of devices; shown by the script that makes it work. */
export function findTools(what: string): Markup {
  return html`<div class="tools" id="tools" role="search" hidden><label class="sr" for="find">Filter by ${what} name</label><input id="find" type="search" placeholder="Filter ${what}s" autocomplete="off" spellcheck="false">
<label class="sr" for="which">Which ${what}s</label><select id="which"><option value="all">All ${what}s</option><option value="anomalies">With anomalies</option><option value="trouble">With sensors not scored</option><option value="quiet">Quiet</option></select><output id="shown" aria-live="polite"></output></div>
<p class="notes" id="none" hidden>No ${what} fits the filter.</p>
`;
}

function batchTiles({ batch, data: { totals }, cost }: BatchPages, match: FaultMatch | undefined): Markup {
  const rest = [
    totals.skipped > 0 && `${formatCount(totals.skipped)} skipped`,
    totals.cancelled > 0 && `${formatCount(totals.cancelled)} cancelled`,
  ].filter((part) => part !== false);
  const share = cost?.shares.get(batch.id);
  return tiles(
    tile('Sensors', formatCount(totals.sensors), [`${formatCount(totals.scored)} scored`, ...rest].join(', ')),
    tile('Windows scored', formatCount(totals.windows), 'one prediction each'),
    tile(
      'Anomalies',
      formatCount(totals.anomalies),
      totals.windows > 0 ? `${formatShare(totals.anomalies, totals.windows)} of windows` : 'no windows',
      totals.anomalies > 0 ? 'hot' : '',
    ),
    tile(
      'Failed',
      formatCount(totals.failed),
      totals.failed > 0 ? html`<a href="failures.html">see which and why</a>` : 'every sensor is accounted for',
      totals.failed > 0 ? 'bad' : 'ok',
    ),
    match &&
      match.faults.length > 0 &&
      tile(
        'Injected faults found',
        `${formatCount(match.found)} of ${formatCount(match.faults.length)}`,
        formatNumberOf(match.falseAlarms, 'false alarm'),
        match.missed === 0 ? 'ok' : '',
      ),
    share !== undefined &&
      share.runMs + share.aroundMs > 0 &&
      tile(
        'Cost',
        formatCost(share.runMs + share.aroundMs, cost?.rate),
        html`<a href="cost.html">${cost?.rate ? 'so far' : 'of nodes, so far'}</a>`,
      ),
  );
}

/** Rows of the failures page: what a page still shows well. */
const MOST_FAILURES = 2_000;

export function failuresPage(pages: BatchPages): string {
  const { data } = pages;
  const unscored = data.sensors.filter((sensor) => sensor.status !== 'scored');
  const ordered = unscored
    .toSorted((a, b) => Number(b.status === 'failed') - Number(a.status === 'failed'))
    .slice(0, MOST_FAILURES);
  const all = data.totals.sensors - data.totals.scored;
  const rows = ordered.map(
    (
      sensor,
    ) => html`<tr><td class="nw"><span class="chip ${sensor.status}">${sensor.status}</span></td><td><a href="${deviceHref(sensor.device)}"><bdi>${sensor.device}</bdi></a> / <bdi>${sensor.sensor}</bdi></td><td class="msg"><span class="mono">${sensor.class ?? sensor.status}</span>${sensor.message !== undefined && html`: ${sensor.message}`}</td></tr>
`,
  );
  const listed = tableSection(
    'failures',
    'Sensors that were not scored',
    all > rows.length
      ? `${formatCount(rows.length)} of ${formatCount(all)}, failed ones first. All of them: fleetscore batch show ${pages.batch.id} --json.`
      : 'Failed ones first.',
    [{ title: 'Outcome' }, { title: 'Sensor' }, { title: 'What was wrong' }],
    rows,
    html`<b>Every sensor was scored.</b>`,
  );
  return renderPage({
    ...frame(pages, 'Failures'),
    head: tiles(
      tile(
        'Failed',
        formatCount(data.totals.failed),
        'somebody should look at them',
        data.totals.failed > 0 ? 'bad' : 'ok',
      ),
      tile('Skipped', formatCount(data.totals.skipped), 'nothing to score, or to score with'),
      data.totals.cancelled > 0 && tile('Cancelled', formatCount(data.totals.cancelled), 'before their turn came'),
      tile('Scored', formatCount(data.totals.scored), `of ${formatNumberOf(data.totals.sensors, 'sensor')}`),
    ),
    body: html`${causeSection({ ...data, sensors: [] }, () => undefined)}${listed}`,
  });
}

const SIGNS = {
  flags_everything: ['Flag everything', '95% of the windows anomalous or more: the model does not fit'],
  flags_nothing: ['Flag nothing', 'no anomaly in ten thousand windows or more'],
  readings_drifted: ['Readings drifted', 'distributed otherwise than before (PSI above 0.25)'],
  anomaly_rate_moved: ['Anomaly rate moved', 'at least doubled or halved'],
} as const;

export function healthPage(pages: BatchPages): string {
  const { health, why, span } = pages.health;
  const reason: MarkupValue =
    why === 'part_of_fleet'
      ? html`<b>Not looked at:</b> this batch scored a part of the fleet again. The batch it renews has this page for all.`
      : html`<b>Not looked at:</b> the fleet is too large to do this with every batch. <span class="mono">fleetscore models health</span> does it when asked.`;
  if (!health || !span)
    return renderPage({
      ...frame(pages, 'Model health'),
      body: html`<section><div class="panel none">${reason}</div></section>${challengeSection(pages)}`,
    });
  const device = linksIn(pages.data);
  const percent = (share: number | undefined): string => (share === undefined ? '' : formatShare(share, 1));
  const rows = health.worst.map(
    (
      sensor,
    ) => html`<tr><td class="name">${device(sensor)} / <bdi>${sensor.sensor}</bdi></td><td>${sensor.signs.map((sign) => html`<span class="chip ${sign === 'flags_everything' ? 'failed' : 'skipped'}">${SIGNS[sign][0].toLowerCase()}</span> `)}</td><td class="num">${percent(sensor.anomalyRate)}</td><td class="num opt">${percent(sensor.baselineAnomalyRate)}</td>${span.readings && html`<td class="num">${sensor.psi === undefined ? '' : sensor.psi.toFixed(2)}</td>`}</tr>
`,
  );
  const against = span.baseline
    ? `, compared with ${formatPeriod(span.baseline)}`
    : '; there is no earlier time to compare with yet';
  const drift =
    !span.readings &&
    span.baseline &&
    html` Whether readings drifted is not told by batches this short: <span class="mono">${healthCommand(span)}</span>`;
  const table = tableSection(
    'worst',
    'Models to look at',
    html`All batches from ${formatPeriod(span.period)}${against}.${health.worst.length >= 200 && ' The 200 most telling sensors.'}${drift}`,
    [
      { title: 'Sensor' },
      { title: 'Sign' },
      { title: 'Anomalies', number: true },
      { title: 'Before', number: true, optional: true },
      ...(span.readings ? [{ title: 'PSI', number: true }] : []),
    ],
    rows,
    html`<b>No model shows a sign of trouble.</b>`,
  );
  const told = {
    flags_everything: true,
    flags_nothing: true,
    readings_drifted: span.readings && span.baseline !== undefined,
    anomaly_rate_moved: span.baseline !== undefined,
  };
  const shown = (Object.keys(SIGNS) as (keyof typeof SIGNS)[]).filter((sign) => told[sign]);
  return renderPage({
    ...frame(pages, 'Model health'),
    head: tiles(
      shown.map((sign) =>
        tile(
          SIGNS[sign][0],
          formatCount(health.signs[sign]),
          SIGNS[sign][1],
          health.signs[sign] === 0 ? 'ok' : sign === 'flags_everything' ? 'bad' : '',
        ),
      ),
    ),
    body: html`${table}${challengeSection(pages)}`,
  });
}

/** What the challenger of the batch made of the same windows. */
function challengeSection({ challenge, data }: BatchPages): Markup | undefined {
  if (!challenge) return undefined;
  const { release, share, summary, differences } = challenge;
  const where = html`On ${share === 1 ? 'all sensors' : `${formatShare(share, 1)} of the sensors`}, counted and not served`;
  const lead = summary
    ? html`${where}: ${formatCount(summary.scored)} scored, ${formatCount(summary.skipped)} skipped, ${formatCount(summary.failed)} failed. ${summary.windows === 0 ? 'No window was scored by both.' : `${formatShare(agreedOf(summary), summary.windows)} of ${formatNumberOf(summary.windows, 'window')} have the same label; ${formatShare(summary.both + summary.onlyBase, summary.windows)} are anomalous with ${summary.base}, ${formatShare(summary.both + summary.onlyChallenger, summary.windows)} with ${release}.`} Over all batches: <span class="mono">fleetscore models compare ${release}</span>`
    : html`${where}. Nothing was recorded.`;
  const device = linksIn(data);
  const rows = differences.map(
    (
      sensor,
    ) => html`<tr><td class="name">${device(sensor)} / <bdi>${sensor.sensor}</bdi></td><td class="num">${formatCount(sensor.windows)}</td><td class="num">${formatCount(sensor.onlyBase)}</td><td class="num">${formatCount(sensor.onlyChallenger)}</td></tr>
`,
  );
  return tableSection(
    'challenger',
    `Challenger ${release}`,
    lead,
    [
      { title: 'Sensor' },
      { title: 'Windows', number: true },
      { title: `Anomalies of ${summary?.base ?? 'this release'} alone`, number: true },
      { title: `Of ${release} alone`, number: true },
    ],
    rows,
    html`<b>No sensor's labels differ.</b>`,
  );
}

export function costPage(pages: BatchPages): string {
  const { batch, cost } = pages;
  const share = cost?.shares.get(batch.id);
  const total = share ? share.runMs + share.aroundMs : 0;
  const all = html`<a href="${toTop(BATCH_DEPTH)}cost.html">Cost of the latest batches</a>`;
  if (!cost || !share || total === 0)
    return renderPage({
      ...frame(pages, 'Cost'),
      body: html`<section><div class="panel none"><b>No record.</b> The pool has no record of nodes at that time: workers that were started by hand are not counted. ${all}</div></section>`,
    });
  const perThousand = batch.planned > 0 ? formatCost((total / batch.planned) * 1_000, cost.rate) : '';
  return renderPage({
    ...frame(pages, 'Cost'),
    head: tiles(
      tile(
        'Together',
        formatCost(total, cost.rate),
        cost.rate
          ? `at ${cost.rate.perHour} ${cost.rate.currency} a node hour`
          : 'time of nodes; no prices are set (FLEETSCORE_PRICES_FILE)',
      ),
      tile('Scoring', formatCost(share.runMs, cost.rate), 'nodes while the batch ran'),
      tile('Spin-up and idle', formatCost(share.aroundMs, cost.rate), 'before and after it'),
      tile('Per 1,000 sensors', perThousand, formatNumberOf(batch.planned, 'sensor')),
    ),
    body: html`<section><div class="panel none">Told when the batch ended: the time until its nodes go, or the next batch takes them, comes on top. ${all} has what it came to.</div></section>`,
  });
}
