/** What is told of files that were sent: whose readings, how often they come, what is late, what was left out. */
import { formatDuration } from '../../domain/time.ts';
import type { WindowShape } from '../../domain/windowing.ts';
import { slowHint } from '../../domain/pace.ts';
import type { BadRow, FileCounts, ReadingFacts } from '../../ingest/send.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';
import { table, when } from '../frame/text.ts';

/** Bad rows told one by one; all are counted. */
const SHOWN = 10;
const SHOWN_SENSORS = 40;

interface Settings extends Pick<WindowShape, 'windowMs'> {
  readonly outOfOrderMs: number;
  readonly lateLimitMs?: number;
}

/** @param late readings that ingest counted as late; absent where nobody waited for it */
export function factLines(facts: ReadingFacts, settings: Settings, late?: number): string[] {
  const slow = facts.everyMs === undefined ? undefined : slowHint(facts.everyMs, settings.windowMs);
  return [...lateLines(facts, settings, late), ...putBackLines(facts), ...(slow === undefined ? [] : [slow])];
}

function putBackLines({ putBack = 0 }: ReadingFacts): string[] {
  if (putBack === 0) return [];
  return [
    `The times of ${formatNumberOf(putBack, 'sensor')} go back by an hour, as a local clock does when it is put ` +
      'back. If they are local times, the two hours become one: say --timezone, such as Europe/Berlin (docs/files.md).',
  ];
}

function lateLines(facts: ReadingFacts, { outOfOrderMs, lateLimitMs }: Settings, late?: number): string[] {
  const count = late ?? facts.late;
  if (count === 0) return [];
  const limit =
    lateLimitMs === undefined
      ? 'They still reach their windows; batches that ran before them do not have them (fleetscore batch rescore).'
      : `Those more than ${formatDuration(lateLimitMs)} behind are left out (FLEETSCORE_LATE_LIMIT).`;
  return [
    late === undefined
      ? `Up to ${formatNumberOf(count, 'reading')} count as late: more than ${formatDuration(outOfOrderMs)} behind ` +
        `ones that were sent before them. Files in the order of time have none. ${limit}`
      : `${formatNumberOf(count, 'reading')} counted as late: newer ones had come before. ${limit}`,
  ];
}

export function leftLines({ bad, missing, notGood, ambiguous }: FileCounts, badRows: readonly BadRow[]): string[] {
  const flags = Object.entries(notGood);
  const rows = flags.reduce((sum, [, count]) => sum + count, 0);
  return [
    ...(missing > 0 ? [`${formatNumberOf(missing, 'cell')} without a value left out.`] : []),
    ...(rows > 0
      ? [
          `${formatNumberOf(rows, 'row')} left out because of ${rows === 1 ? 'its' : 'their'} quality: ` +
            `${flags.map(([flag, count]) => `${formatCount(count)} ${flag}`).join(', ')}.`,
        ]
      : []),
    ...(ambiguous > 0
      ? [
          `${formatNumberOf(ambiguous, 'time')} came twice when clocks were put back: taken in the order of the ` +
            'file, the first time before the second (docs/files.md). An offset such as --timezone +01:00 has none.',
        ]
      : []),
    ...badLines(bad, badRows),
  ];
}

/** @param bad the first of `count` */
function badLines(count: number, bad: readonly BadRow[]): string[] {
  if (count === 0) return [];
  return [
    `${formatNumberOf(count, 'bad row')} left out:`,
    ...bad
      .slice(0, SHOWN)
      .map((row) => `  ${row.file === undefined ? '' : `${row.file}, `}line ${row.line}: ${row.reason}`),
    ...(count > SHOWN ? [`  and ${formatCount(count - SHOWN)} more; --json lists up to 1,000`] : []),
  ];
}

export function sensorTable({ sensors }: ReadingFacts): string {
  const shown = sensors.slice(0, SHOWN_SENSORS);
  const text = table(
    [
      { title: 'Device' },
      { title: 'Sensor' },
      { title: 'Readings', align: 'right' },
      { title: 'First (UTC)', whole: true, leave: 1 },
      { title: 'Last (UTC)', whole: true },
    ],
    shown.map((one) => [one.device, one.sensor, formatCount(one.readings), when(one.firstMs), when(one.lastMs)]),
    '',
  );
  const more = sensors.length - shown.length;
  return more > 0 ? `${text}\nand ${formatNumberOf(more, 'sensor')} more` : text;
}
