/** What a person reads on the page of a running workflow in the Web UI: small Markdown tables. Pure. */
import type { FailureNote, SensorRange } from './activities.ts';
import { boundedNames, byteLength, cutBytes, MAX_WORKFLOW_ID } from '../domain/bounded.ts';
import type { OutcomeCounts } from '../domain/outcome.ts';
import { withoutControls } from '../domain/plain-text.ts';
import { plainTime, type Period } from '../domain/time.ts';

/** Failures shown; the rest is a number. */
export const SHOWN_FAILURES = 5;

export interface BatchProgress extends Period {
  readonly batchId: string;
  readonly phase:
    | 'waiting for the end of its period'
    | 'waiting for readings'
    | 'planning'
    | 'scoring'
    | 'finishing'
    | 'completed'
    | 'failed'
    | 'cancelled';
  readonly release?: string;
  readonly planned: number;
  readonly children: number;
  readonly childrenDone: number;
  readonly counts: OutcomeCounts;
  readonly failures: readonly FailureNote[];
  readonly paused?: boolean;
  /** Batches that were started for late readings of earlier periods. */
  readonly late?: number;
  /** While waiting: how far the readings are. */
  readonly watermarkMs?: number;
  /** And how far they must be. */
  readonly neededMs?: number;
  /** Address of its page in the web application. */
  readonly page?: string;
}

/** Bytes of one name in a summary: two of them and the words around are below MAX_SUMMARY. */
const SUMMARY_NAME = 75;
/** And in a cell of a table; of a message: the whole page stays far below the 20,000 bytes that Temporal takes. */
const CELL_NAME = 200;
const CELL_MESSAGE = 900;

/** What a child or an activity is about, for its summary, which the Web UI reads as Markdown. */
export function nameOf({ count, single }: SensorRange): string {
  if (!single) return count === 1 ? '1 sensor' : `${count} sensors`;
  const { device, sensor } = single;
  return `${cell(device, SUMMARY_NAME)} / ${cell(sensor, SUMMARY_NAME)}`;
}

/**
 * Id of the child workflow of a range, derived from the work: replay and retries name the same children. A longer
 * id than Temporal takes was never in a history, so this cut needs no patch.
 */
export function childId(batchId: string, range: SensorRange, unnamed = false): string {
  const { single, from, to } = range;
  if (!single || unnamed) return `${batchId}/${from}-${to}`;
  const room = MAX_WORKFLOW_ID - batchId.length - 1;
  return `${batchId}/${boundedNames([single.device, single.sensor], '/', room, () => String(from))}`;
}

export function batchDetails(progress: BatchProgress): string {
  const { counts } = progress;
  const rows: readonly (readonly [string, string])[] = [
    ['Period', `${plainTime(progress.fromMs)} to ${plainTime(progress.toMs)} UTC`],
    ['Phase', progress.paused ? `${progress.phase} (paused)` : progress.phase],
    ...(progress.watermarkMs === undefined && progress.neededMs === undefined
      ? []
      : [['Readings', readingsText(progress)] as const]),
    ['Release', progress.release ?? ''],
    [
      'Sensors',
      `${progress.planned} planned, ${counts.scored} scored, ${counts.skipped} skipped, ${counts.failed} failed`,
    ],
    ['Children', `${progress.childrenDone} of ${progress.children} done`],
    ['Windows', `${counts.windows}, anomalous ${counts.anomalies}`],
    ...(progress.late === undefined
      ? []
      : [
          [
            'Late readings',
            `${progress.late} earlier ${progress.late === 1 ? 'period is' : 'periods are'} scored again`,
          ] as const,
        ]),
  ];
  return (
    `### Batch ${progress.batchId}\n\n| | |\n| --- | --- |\n` +
    `${rows.map(([k, v]) => `| ${k} | ${cell(v)} |`).join('\n')}\n` +
    failureTable(progress.failures, counts.failed) +
    // Of our own making: a name in it is encoded.
    (progress.page === undefined ? '' : `\n[Its page in fleetscore](${progress.page})\n`)
  );
}

/** How far the readings of a waiting batch are, and how far they must be. */
export function readingsText({ watermarkMs, neededMs }: Pick<BatchProgress, 'watermarkMs' | 'neededMs'>): string {
  const upTo = watermarkMs === undefined ? 'none yet' : `complete up to ${plainTime(watermarkMs)} UTC`;
  return neededMs === undefined ? upTo : `${upTo}, needed up to ${plainTime(neededMs)} UTC`;
}

export function failureTable(failures: readonly FailureNote[], total: number): string {
  if (failures.length === 0) return '';
  const rows = failures.map(
    (f) =>
      `| ${cell(f.device, CELL_NAME)} | ${cell(f.sensor, CELL_NAME)} | ${f.class} | ${cell(f.message, CELL_MESSAGE)} |`,
  );
  const rest =
    total > failures.length ? `\n\nand ${total - failures.length} more: \`fleetscore batch show\` lists all.` : '';
  return `\n| Device | Sensor | Failure | Message |\n| --- | --- | --- | --- |\n${rows.join('\n')}${rest}\n`;
}

/**
 * Names and messages come from outside: here they are no markup, no link, and no more than their cell.
 * @param maxBytes of the result, cut before a whole character and never inside an escape
 */
export function cell(text: string, maxBytes = Number.POSITIVE_INFINITY): string {
  const plain = withoutControls(text);
  const escaped = escapeMarkdown(plain);
  if (byteLength(escaped) <= maxBytes) return escaped;
  for (let room = maxBytes; ; room -= 1) {
    const cut = escapeMarkdown(cutBytes(plain, room));
    if (byteLength(cut) <= maxBytes) return cut;
  }
}

/** Also what readers of Markdown make a link of without any markup: `://`, `www.` and addresses of mail. */
function escapeMarkdown(text: string): string {
  return text
    .replace(/[\\|<>&`*_[\]@~]/g, (c) => `\\${c}`)
    .replaceAll('://', '\\://')
    .replace(/\b(www)\./gi, '$1\\.');
}
