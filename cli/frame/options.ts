/** Parsers of the values of options: a wrong one is a usage error that names the option, and what it takes. */
import { InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../../domain/errors.ts';
import { MAX_TIMER_MS, parseDuration, parseTime } from '../../domain/time.ts';

export const asDuration = (text: string): string => parsed(() => (parseDuration(text), text));
/** `0`, `0s`, `0m` for none. */
export const asDurationOrZero = (text: string): string => (/^0(?:ms|[smhdw])?$/.test(text) ? '0s' : asDuration(text));

/** A time between two looks. */
export function asInterval(text: string): string {
  if (parseDuration(asDuration(text)) <= MAX_TIMER_MS) return text;
  throw new InvalidArgumentError('It takes a duration up to 24d.');
}

export const asTime = (text: string): number => parsed(() => parseTime(text));

export function asWhole(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(
        `It takes a whole number from ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`}.`,
      );
    return value;
  };
}

export function asNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max))
      throw new InvalidArgumentError(`It takes a number from ${min} to ${max}.`);
    return value;
  };
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

/** `--from TIME` and `--to TIME`, as epoch milliseconds. */
export const fromOption = (text = 'start of the period, ISO 8601 (UTC when no zone is given)'): Option =>
  new Option('--from <time>', text).argParser(asTime);
export const toOption = (text = 'end of the period, not included'): Option =>
  new Option('--to <time>', text).argParser(asTime);

/** What the argument of a sensor takes, and the second word that it may be. */
export const SENSOR =
  'the sensor, such as press-7/oil-temp; a slash in the name of the device is written %2F where it would not be clear';
export const SECOND = 'device and sensor may be two arguments';
