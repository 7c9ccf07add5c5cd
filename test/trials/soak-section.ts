/** The section of bench/RESULTS.md that a soak writes. */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { SAMPLE_FLEET } from '../../samples/fleet.ts';
import { FLAT_SHARE, WARM_UP_SHARE, type Trend } from './soak-trend.ts';

/** Milliseconds. */
export interface Starts {
  readonly firstMs: number;
  readonly stopMs: number;
  readonly againMs: number;
}

type Row = Trend & { readonly what: string; readonly unit: string };

export interface SoakResult {
  readonly minutes: number;
  readonly keep: string;
  readonly sent: number;
  readonly late: number;
  readonly batches: number;
  readonly rows: number;
  readonly failed: number;
  readonly whole: boolean;
  readonly starts: Starts;
  readonly memory: readonly Row[];
  readonly rooms: readonly Row[];
  readonly containers: Readonly<Record<string, number>>;
}

export function soakSection(result: SoakResult): string {
  const { minutes, keep, sent, late, batches, rows, failed, starts, containers } = result;
  const seconds = (ms: number): string => (ms / 1_000).toFixed(1);
  return [
    '## Soak',
    '',
    `\`npm run soak -- --minutes ${minutes}\` on ${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), load ${loadavg()[0]!.toFixed(1)}, Node ${process.version}.`,
    '',
    `${sent} readings of ${SAMPLE_FLEET.length} sensors, all of them in the windows (${late} late); ${batches} batches with ${rows} predictions, ${failed} failed sensors. The checker found ${result.whole ? 'nothing' : 'problems'}. Windows, batches and their blobs were kept for ${keep}. First start ${seconds(starts.firstMs)} s, stop ${seconds(starts.stopMs)} s, start again on all that was stored ${seconds(starts.againMs)} s, and the schedule scored on.`,
    '',
    `Medians of the first and the last third after the warm-up (${WARM_UP_SHARE * 100} % of the time). The run fails when a figure grows by more than ${FLAT_SHARE * 100} % and a swing of 24 MiB (memory), 150 blobs or 8 MiB (room). Temporal runs as its dev server here, whose memory is not ours to bound. Logs of workers are kept by the day.`,
    '',
    '| process, MiB | first third | last third | change | peak |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...result.memory.map(line),
    '',
    '| room | first third | last third | change | peak |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...result.rooms.map(line),
    '',
    `Blobs at the end: ${Object.entries(containers)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}.`,
  ].join('\n');
}

function line({ what, unit, first, last, peak }: Row): string {
  const change = first === 0 ? 0 : Math.round((last / first - 1) * 100);
  const shown = (value: number): string => (unit === 'MiB' && value < 100 ? value.toFixed(1) : value.toFixed(0));
  const name = unit === '' || !/index|store|log/.test(what) ? what : `${what}, ${unit}`;
  return `| ${name} | ${shown(first)} | ${shown(last)} | ${change >= 0 ? '+' : ''}${change} % | ${shown(peak)} |`;
}
