/** Numbers and times for people: the same words in the terminal and on the page. English, UTC. */
import { plainTime, type Period } from '../domain/time.ts';

const counts = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `1,234,567` */
export function formatCount(n: number): string {
  return counts.format(n);
}

/** `1 sensor`, `2,000 sensors` */
export function formatNumberOf(n: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(n)} ${n === 1 ? noun : plural}`;
}

/** A measured value: what floating point added behind the sixth digit is left away. `5.93572`, `1234567`, `3` */
export function formatValue(value: number): string {
  return Math.abs(value) >= 1e6 ? String(value) : String(Number(value.toPrecision(6)));
}

/** A score for people: four digits, which is more than says anything. */
export const formatScore = (score: number): string => String(Number(score.toPrecision(4)));

/** A span for people: `0 ms`, `834 ms`, `4.2 s`, `1 min 5 s`, `2 h 3 min`, `3 d 4 h`. */
export function formatMs(ms: number): string {
  if (!(ms >= 0)) return '';
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / 1000).toFixed(1).replace('.0', '')} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const pair = (big: number, unit: string, small: number, smallUnit: string): string =>
    small === 0 ? `${big} ${unit}` : `${big} ${unit} ${small} ${smallUnit}`;
  if (seconds < 3600) return pair(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return pair(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.round(minutes / 60);
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/** How long until a fault was found; empty when it was not. */
export function formatDelay(ms: number | undefined): string {
  if (ms === undefined) return '';
  return ms <= 0 ? 'at once' : formatMs(ms);
}

/** A share for people: `0%`, `<0.1%`, `1.3%`, `42%`. Empty for a share of nothing. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0) return '';
  const percent = (part / whole) * 100;
  if (percent === 0) return '0%';
  if (percent < 0.1) return '<0.1%';
  if (percent < 9.95) return `${percent.toFixed(1)}%`;
  return part < whole && percent >= 99.5 ? '>99%' : `${Math.round(percent)}%`;
}

/** `2026-11-23 14:00`, with seconds only when there are any. */
export function formatTime(ms: number): string {
  return plainTime(ms).replace(/:00$/, '');
}

/** `2026-11-23 14:00 – 15:00 UTC`; the date is repeated when it differs. */
export function formatPeriod({ fromMs, toMs }: Period): string {
  const from = formatTime(fromMs);
  const to = formatTime(toMs);
  return `${from} – ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to} UTC`;
}
