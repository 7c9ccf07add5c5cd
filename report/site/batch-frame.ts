/** What all pages of one batch share: tabs, facts, and where a device has its page. Pure. */
import type { BatchData, ReportBatch } from '../collect/batch-data.ts';
import { formatCount, formatMs, formatNumberOf, formatPeriod } from '../format.ts';
import { html, type Markup } from '../page/markup.ts';
import { chip, linked, nameOf } from '../page/parts.ts';
import { kindOf } from '../page/tables.ts';
import type { BatchChallenge } from '../../verify/compare-releases.ts';
import { formatClock, type CostView } from './cost-data.ts';
import type { HealthView } from './health-data.ts';
import type { SitePage, Tab } from './layout.ts';
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
  const { id, kind, release, schedule, startedAtMs, finishedAtMs } = batch;
  return html`
    <div class="facts">
      ${chip(batch.status)}
      <span>Batch <b class="mono">${id}</b></span>
      ${kind !== 'score' && html`<span>${kindOf(batch)}</span>`}
      <span>Release <b>${release}</b></span>
      ${schedule !== undefined && html`<span>Schedule <b>${schedule}</b></span>`}
      <span>
        Started <b>${formatClock(startedAtMs)}</b>
        ${finishedAtMs !== undefined && html`, took <b>${formatMs(finishedAtMs - startedAtMs)}</b>`}
      </span>
    </div>`;
}

/** What all pages of a batch share. */
export function frame(
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

export const deviceHref = (device: string): string => `devices/${deviceFile(device)}`;

/** Address of a device that may have no page. */
export function hrefIn({ sensors }: BatchData): (of: { readonly device: string }) => string | undefined {
  const devices = new Set(sensors.map((sensor) => sensor.device));
  return ({ device }) => (devices.has(device) ? deviceHref(device) : undefined);
}

/** The name of a device, leading to its page where it has one. */
export function linksIn(data: BatchData): (of: { readonly device: string }) => Markup {
  const hrefOf = hrefIn(data);
  return (sensor) => html`${linked(hrefOf(sensor), nameOf(sensor.device))}`;
}

/** What is not on the pages, in words. */
export function limitNotes({ omitted, undrawn = 0, sensors }: BatchData): string[] {
  const shown = formatNumberOf(sensors.length, 'sensor');
  const counted = formatNumberOf(omitted, 'sensor is', 'sensors are');
  const without = formatNumberOf(undrawn, 'sensor has', 'sensors have');
  const first = `Of this fleet the ${shown} that need attention first have a page: failures and most anomalies.`;
  const commands = '`fleetscore report` and `fleetscore predictions` show them.';
  return [
    ...(omitted > 0 ? [`${first} ${counted} counted here, and not drawn.`] : []),
    ...(undrawn > 0 ? [`${without} no chart here: there are too many windows to draw for all. ${commands}`] : []),
  ];
}
