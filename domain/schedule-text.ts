/** A schedule's times in words. The server keeps calendars, not the cron expression, so it is written again. Pure. */
import type { Calendar, NumberRange, ScheduleSpec } from './schedule-spec.ts';
import { formatDuration } from './time.ts';

const FIELDS = {
  second: [0, 59],
  minute: [0, 59],
  hour: [0, 23],
  dayOfMonth: [1, 31],
  month: [1, 12],
  dayOfWeek: [0, 6],
  year: [0, 0],
} as const satisfies Record<keyof Calendar, readonly [number, number]>;

function fieldText(ranges: readonly NumberRange[], [min, max]: readonly [number, number]): string {
  const texts = ranges.map(({ start, end, step }) => {
    const all = start === min && end >= max;
    if (all) return step === 1 ? '*' : `*/${step}`;
    if (start === end) return String(start);
    return `${start}-${end}${step === 1 ? '' : `/${step}`}`;
  });
  return texts.length === 0 ? '*' : texts.join(',');
}

/** `0 2 * * 1-5`; with seconds in front and the year behind where they matter, as Temporal takes it. */
function cronText(calendar: Calendar): string {
  const field = (name: keyof Calendar): string => fieldText(calendar[name], FIELDS[name]);
  const five = [field('minute'), field('hour'), field('dayOfMonth'), field('month'), field('dayOfWeek')].join(' ');
  const [second, year] = [field('second'), field('year')];
  if (second !== '0') return `${second} ${five} ${year}`;
  return year === '*' ? five : `${five} ${year}`;
}

/** `every 15m, offset 2m`, `cron 0 2 * * *`, one text each. */
export function startsText({ intervals, calendars, excluded }: ScheduleSpec): string[] {
  return [
    ...intervals.map(
      ({ everyMs, offsetMs }) =>
        `every ${formatDuration(everyMs)}${offsetMs === 0 ? '' : `, offset ${formatDuration(offsetMs)}`}`,
    ),
    ...calendars.map((calendar) => `cron ${cronText(calendar)}`),
    ...excluded.map((calendar) => `but not cron ${cronText(calendar)}`),
  ];
}
