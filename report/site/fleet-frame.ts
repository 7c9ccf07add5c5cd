/** What the pages at the top of the site share: their batches, tabs and links. Pure. */
import type { ReportBatch } from '../collect/batch-data.ts';
import { formatPeriod } from '../format.ts';
import { html, type Markup } from '../page/markup.ts';
import { cell } from '../page/parts.ts';
import type { CostView } from './cost-data.ts';
import type { Tab } from './layout.ts';
import { batchPath } from './paths.ts';
import type { BatchSummary } from './summary.ts';

/** A batch that has its pages. */
export interface ListedBatch {
  readonly batch: ReportBatch;
  readonly summary: BatchSummary;
}

export interface FleetPages {
  /** By period, then start; at least one. */
  readonly batches: readonly ListedBatch[];
  readonly cost?: CostView;
}

export const tabs = (current: 'Fleet' | 'Cost'): Tab[] => [
  { name: 'Fleet', href: 'index.html', current: current === 'Fleet' },
  { name: 'Cost', href: 'cost.html', current: current === 'Cost' },
];

/** The batches that follow each other in time: those of the newest one's schedule and length, and no repairs. */
export function mainLine(batches: readonly ListedBatch[]): readonly ListedBatch[] {
  const scoring = batches.filter(({ batch }) => batch.kind === 'score');
  const newest = scoring.reduce<ReportBatch | undefined>(
    (a, { batch }) =>
      a && (a.toMs > batch.toMs || (a.toMs === batch.toMs && a.startedAtMs > batch.startedAtMs)) ? a : batch,
    undefined,
  );
  if (!newest) return [];
  return scoring.filter(
    ({ batch }) => batch.schedule === newest.schedule && batch.toMs - batch.fromMs === newest.toMs - newest.fromMs,
  );
}

/** The period of a batch, leading to one of its pages. */
export const periodLink = (batch: ReportBatch, file: string): Markup =>
  cell('nw', html`<a href="${batchPath(batch)}${file}">${formatPeriod(batch).replace(' UTC', '')}</a>`);
