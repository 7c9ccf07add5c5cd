/** Offsets of zones are those of the platform's own calendar at every instant, near changes of clocks above all. */
import { expect, test } from '@jest/globals';
import { instantOf, offsetAt, wallTime } from '../../domain/zone.ts';

const HOUR = 3_600_000;
const FROM = Date.parse('2026-01-01T00:00:00Z');

/** As the platform writes it: `GMT+10:30`. */
function platformOffset(ms: number, zone: string): number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  const name = format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')!.value;
  const [, sign = '+', hours = '0', minutes = '0'] = /^GMT(?:([+-])(\d\d):(\d\d))?$/.exec(name)!;
  return (sign === '-' ? -1 : 1) * (Number(hours) * HOUR + Number(minutes) * 60_000);
}

test.each(['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'Africa/Casablanca', 'UTC'])(
  'a year of %s, every 20 minutes of each day with a change, and every 5 hours else',
  (zone) => {
    const wrong: string[] = [];
    let changes = 0;
    for (let day = FROM; day < FROM + 366 * 24 * HOUR; day += 24 * HOUR) {
      const changed = platformOffset(day, zone) !== platformOffset(day + 24 * HOUR, zone);
      if (changed) changes += 1;
      for (let ms = day; ms < day + 24 * HOUR; ms += changed ? HOUR / 3 : 5 * HOUR)
        if (offsetAt(ms, zone) !== platformOffset(ms, zone)) wrong.push(new Date(ms).toISOString());
    }
    expect(wrong).toEqual([]);
    // Or nothing would be shown.
    expect(changes >= 2).toBe(zone !== 'UTC' && zone !== 'Asia/Kolkata');
  },
);

test('the second of a change, milliseconds, and years before the epoch', () => {
  const forward = Date.parse('2026-03-29T01:00:00Z');
  expect([forward - 1, forward].map((ms) => offsetAt(ms, 'Europe/Berlin'))).toEqual([HOUR, 2 * HOUR]);
  expect(wallTime(forward + 7, 'Europe/Berlin')).toBe(forward + 2 * HOUR + 7);
  // Until 1972 clocks in Liberia were 44 minutes and 30 seconds behind.
  expect(offsetAt(Date.parse('1960-07-01T00:00:00.250Z'), 'Africa/Monrovia')).toBe(-44.5 * 60_000);
  expect(instantOf(Date.parse('2026-03-29T02:30:00Z'), 'Europe/Berlin')).toBe(Date.parse('2026-03-29T01:30:00Z'));
});

test('a zone that there is none of is refused', () => {
  expect(() => offsetAt(FROM, 'Europe/Nowhere')).toThrow(expect.objectContaining({ code: 'INVALID_ZONE' }));
});
