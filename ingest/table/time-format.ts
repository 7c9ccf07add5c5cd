/**
 * Times that are written in a form of their own: `dd/MM/yyyy HH:mm` in the tokens of Luxon (those of Unicode TR35), or
 * `%d/%m/%Y %H:%M` in those of Python's strptime, where there is a percent sign. Names of months are English. A format
 * must say the year, the month and the day: Luxon would take today's for what is not said.
 */
import { DateTime, FixedOffsetZone } from 'luxon';
import { FleetscoreError } from '../../domain/errors.ts';
import type { TimeCell } from './cells.ts';

/** Directives of strptime as tokens of Luxon. strptime takes one digit where two are usual, and so do `d`, `M`, `H`. */
const STRPTIME: Readonly<Record<string, string>> = {
  Y: 'yyyy',
  y: 'yy',
  m: 'M',
  d: 'd',
  b: 'MMM',
  B: 'MMMM',
  j: 'o',
  H: 'H',
  I: 'h',
  M: 'm',
  S: 's',
  f: 'u',
  p: 'a',
  a: 'EEE',
  A: 'EEEE',
  z: 'Z',
  F: 'yyyy-M-d',
  T: 'H:m:s',
  D: 'M/d/yy',
};

const LOCALE = { locale: 'en-US' } as const;

/** @throws FleetscoreError `INVALID_ARGUMENT` for a directive that is not known */
function luxonFormat(format: string): string {
  // Alone, T is a token of Luxon; nobody means that between a date and a time.
  if (!format.includes('%')) return format.replaceAll(/(?<=[dD])T(?=[Hh])/g, "'T'");
  return [...format.matchAll(/%(.?)|([^%]+)/gs)]
    .map(([whole, directive, text]) => {
      if (text !== undefined) return quoted(text);
      if (directive === '%') return quoted('%');
      const token = STRPTIME[directive ?? ''];
      if (token !== undefined) return token;
      throw invalid(format, `it has ${whole}, and strptime's ${names()} are known`);
    })
    .join('');
}

const names = (): string =>
  Object.keys(STRPTIME)
    .map((name) => `%${name}`)
    .join(' ');
/** Letters stand for themselves between quotes. */
const quoted = (text: string): string => text.replaceAll(/[A-Za-z]+/g, "'$&'");

/** Reads texts of one format: the time, or undefined. @throws FleetscoreError `INVALID_ARGUMENT` */
export function createFormatReader(format: string): (text: string) => TimeCell | undefined {
  const parser = parserFor(format);
  const zone = FixedOffsetZone.utcInstance;
  return (text) => {
    const time = DateTime.fromFormatParser(text, parser.parser, { ...LOCALE, zone });
    return time.isValid ? { ms: Math.floor(time.toMillis()), zoned: parser.zoned } : undefined;
  };
}

function parserFor(format: string): {
  readonly parser: ReturnType<typeof DateTime.buildFormatParser>;
  readonly zoned: boolean;
} {
  const luxon = luxonFormat(format);
  const tokens = luxon.replaceAll(/'[^']*'/g, '');
  const has = (pattern: RegExp): boolean => pattern.test(tokens);
  const macro = /[DFfTt]/.exec(tokens)?.[0];
  if (macro !== undefined) throw invalid(format, `write letters that stand for themselves in quotes: '${macro}'`);
  const whole = (has(/y/) && (has(/[oG]/) || (has(/[ML]/) && has(/d/)))) || (has(/k/) && has(/W/) && has(/[EcW]/));
  if (!whole) throw invalid(format, 'it must say the year, the month and the day, as yyyy-MM-dd or %Y-%m-%d do');
  try {
    const parser = DateTime.buildFormatParser(luxon, LOCALE);
    // A trial, because some formats fail with the first text only.
    DateTime.fromFormatParser('', parser, LOCALE);
    return { parser, zoned: has(/[Zz]/) };
  } catch (error) {
    throw invalid(format, error instanceof Error ? error.message : String(error));
  }
}

function invalid(format: string, why: string): FleetscoreError {
  return new FleetscoreError(
    'INVALID_ARGUMENT',
    `the time format ${JSON.stringify(format)} cannot be used: ${why}. Write it as 'dd/MM/yyyy HH:mm:ss' (tokens of ` +
      "Luxon, docs/files.md) or '%d/%m/%Y %H:%M:%S' (strptime).",
  );
}
