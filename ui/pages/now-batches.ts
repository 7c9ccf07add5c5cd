/** Batches on the first screen: those that run, failed, or are missing. Pure. */
import type { LostBatch, LostBatches } from '../../batches/lost.ts';
import type { Answer } from '../../domain/answer.ts';
import { formatNumberOf } from '../../report/format.ts';
import { html, type Markup } from '../../report/page/markup.ts';
import { chip, code, section } from '../../report/page/parts.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import type { MissedPeriods } from '../look/schedules.ts';
import { batchHref, LOST, sortTable } from '../parts.ts';
import { span, time } from '../time.ts';
import { DAY_MS } from '../../domain/time.ts';

/** What the first screen names of each kind; other pages have all. */
export const MOST_LISTED = 8;

/** Failed within the last day. */
export const isBad = (batch: Batch, nowMs: number): boolean =>
  batch.status === 'failed' && (batch.finishedAtMs ?? batch.startedAtMs) > nowMs - DAY_MS;

export function batchSection(
  { value: batches = [] }: Answer<readonly Batch[]>,
  { value: lost }: Answer<LostBatches>,
  missed: Answer<readonly MissedPeriods[]>,
  failedFiles: Answer<number>,
  nowMs: number,
): Markup {
  const bad = batches.filter((batch) => isBad(batch, nowMs)).slice(0, MOST_LISTED);
  const gaps = (missed.value ?? []).filter(({ state }) => state === 'missing').slice(0, MOST_LISTED);
  const stuck = batches.filter((batch) => !hasEnded(batch));
  const files = failedFiles.value ?? 0;
  const isCalm = bad.length === 0 && gaps.length === 0 && missed.problem === undefined && stuck.length === 0;
  if (isCalm && files === 0) return html``;
  const gone = ({ id }: Batch): LostBatch | undefined => lost?.get(id);
  const rows = [
    ...stuck.slice(0, MOST_LISTED).map(
      (batch) => html`
        <tr>
          <td>${gone(batch) ? LOST : chip('running', batch.status)}</td>
          <td class="nw"><a class="row-link" href="${batchHref(batch.id)}">${span(batch.fromMs, batch.toMs)}</a></td>
          <td>${batch.schedule ?? 'by hand'}</td>
          <td class="msg">Started ${time(batch.startedAtMs)}${gone(batch) && `; ${gone(batch)!.text}`}</td>
        </tr>`,
    ),
    ...bad.map(
      (batch) => html`
        <tr>
          <td>${chip('failed', 'failed')}</td>
          <td class="nw"><a class="row-link" href="${batchHref(batch.id)}">${span(batch.fromMs, batch.toMs)}</a></td>
          <td>${batch.schedule ?? 'by hand'}</td>
          <td class="msg">${batch.class !== undefined && html`${code(batch.class)}: `}${batch.message ?? ''}</td>
        </tr>`,
    ),
    ...gaps.map(
      (gap) => html`
        <tr>
          <td>${chip('skipped', 'missing')}</td>
          <td class="nw">${span(gap.fromMs, gap.toMs)}</td>
          <td>${gap.schedule}</td>
          <td class="msg">
            ${formatNumberOf(gap.periods, 'period')} without a batch.
            <a class="under" href="/batches#schedules">Backfill</a>
          </td>
        </tr>`,
    ),
  ];
  const columns = [{ title: 'State' }, { title: 'Period' }, { title: 'Schedule' }, { title: 'What' }];
  return section('batches', 'Batches that need a look', '', [
    missed.problem !== undefined &&
      html`<p class="notes">Which periods are missing is not known: ${missed.problem}</p>`,
    rows.length > 0 && sortTable('batches', columns, rows, {}),
    files > 0 && failedFilesNote(files),
  ]);
}

const failedFilesNote = (files: number): Markup => html`
  <p class="notes">
    <a class="under" href="/files?state=failed">${formatNumberOf(files, 'file')} of the drop</a> could not be read.
  </p>`;
