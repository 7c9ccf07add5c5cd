/** What a person reads on the page of a running workflow in the Web UI: small Markdown tables. Pure. */
import type { FailureNote, SensorRange } from './activities.ts';
import type { OutcomeCounts } from '../domain/outcome.ts';
import { plainTime, type Period } from '../domain/time.ts';

/** Failures shown; the rest is a number. */
export const SHOWN_FAILURES = 5;

export interface BatchProgress extends Period {
  readonly batchId: string;
  readonly phase: 'waiting for readings' | 'planning' | 'scoring' | 'finishing' | 'completed' | 'failed' | 'cancelled';
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
}

/** What a child or an activity is about, for its summary. */
export function nameOf({ count, single }: SensorRange): string {
  return single ? `${single.device} / ${single.sensor}` : count === 1 ? '1 sensor' : `${count} sensors`;
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
  return `### Batch ${progress.batchId}\n\n| | |\n| --- | --- |\n${rows.map(([k, v]) => `| ${k} | ${cell(v)} |`).join('\n')}\n${failureTable(progress.failures, counts.failed)}`;
}

/** How far the readings of a waiting batch are, and how far they must be. */
export function readingsText({ watermarkMs, neededMs }: Pick<BatchProgress, 'watermarkMs' | 'neededMs'>): string {
  const upTo = watermarkMs === undefined ? 'none yet' : `complete up to ${plainTime(watermarkMs)} UTC`;
  return neededMs === undefined ? upTo : `${upTo}, needed up to ${plainTime(neededMs)} UTC`;
}

export function failureTable(failures: readonly FailureNote[], total: number): string {
  if (failures.length === 0) return '';
  const rows = failures.map((f) => `| ${cell(f.device)} | ${cell(f.sensor)} | ${f.class} | ${cell(f.message)} |`);
  const rest =
    total > failures.length ? `\n\nand ${total - failures.length} more: \`fleetscore batch show\` lists all.` : '';
  return `\n| Device | Sensor | Failure | Message |\n| --- | --- | --- | --- |\n${rows.join('\n')}${rest}\n`;
}

/** Names and messages come from outside: they must not break out of their cell. */
export function cell(text: string): string {
  return text.replace(/[\\|<>&`*_[\]]/g, (c) => `\\${c}`).replace(/\s+/g, ' ');
}
