/**
 * An alarm in words, for people at three in the morning: which sensor, what, since when, how long, whether it goes on.
 * Times are UTC; the day is named where it is not that of `nowMs`.
 */
import type { Alarm } from '../domain/alarm.ts';
import { plainTime } from '../domain/time.ts';

const WHAT: Readonly<Record<Alarm['kind'], string>> = {
  anomaly: 'anomalous',
  silent: 'silent',
  stuck: 'stuck',
  model: 'cannot be scored',
  unplanned: 'in no batch',
};

/** `2 min 40 s`, `3 h 5 min`, `2 d 4 h`: the two largest units. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const units: readonly (readonly [number, string])[] = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const first = units.findIndex(([size]) => seconds >= size);
  if (first < 0) return '0 s';
  let left = seconds;
  return units
    .slice(first, first + 2)
    .flatMap(([size, name]) => {
      const count = Math.floor(left / size);
      left -= count * size;
      return count === 0 ? [] : [`${count} ${name}`];
    })
    .join(' ');
}

function endText({ withdrawn, active, outOfService }: Pick<Alarm, 'withdrawn' | 'active' | 'outOfService'>): string {
  if (withdrawn) return 'withdrawn';
  if (active && outOfService) return 'taken out of service';
  return active ? 'goes on' : 'cleared';
}

/**
 * `conveyor-1 gearbox-vibration: anomalous since 11:24:45, 2 min 40 s, cleared`
 * @param what is wrong, where more is known than the kind says
 */
export function alarmSentence(
  alarm: Pick<Alarm, 'device' | 'sensor' | 'kind' | 'facts' | 'active' | 'acked' | 'withdrawn' | 'outOfService'>,
  nowMs: number,
  what: string = WHAT[alarm.kind],
): string {
  const { device, sensor, kind, facts } = alarm;
  const since = plainTime(facts.sinceMs);
  const shownSince = since.slice(0, 10) === plainTime(nowMs).slice(0, 10) ? since.slice(11, 19) : since.slice(0, 19);
  // While it lasts, up to what was looked at last, where that is known; else up to now.
  const untilMs = alarm.active && facts.lastMs <= facts.activeMs ? nowMs : facts.lastMs;
  const why = facts.cause !== undefined && kind === 'model' ? ` (${facts.cause})` : '';
  return (
    `${device} ${sensor}: ${what}${why} since ${shownSince}, ${spanText(untilMs - facts.sinceMs)}, ` +
    `${endText(alarm)}${alarm.acked ? ', acknowledged' : ''}`
  );
}
