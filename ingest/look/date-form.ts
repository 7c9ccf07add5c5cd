/**
 * In which form times are written, from many of them: their order of day and month above all. A day beyond the twelfth
 * decides that; else the order in which the times follow each other without a gap, else nothing does, which is told.
 */
import { createFormatReader } from '../table/time-format.ts';

export interface DateForm {
  /** Tokens of Luxon. */
  readonly format: string;
  readonly zoned: boolean;
  /** Day and month may be the other way round. */
  readonly doubtful?: true;
  readonly dayFirst?: boolean;
  /** Without a time of day. */
  readonly dateOnly: boolean;
}

const DATE = String.raw`(\d{1,4}|[A-Za-z]{3,9})([-/. ])(\d{1,2}|[A-Za-z]{3,9})([-/. ]|, )(\d{1,4})`;
const TIME = String.raw`(\d{1,2})([:.])(\d{2})(?:([:.])(\d{2})(?:([.,:])(\d{1,9}))?)?( ?[AaPp][Mm])?`;
const WHOLE = new RegExp(String.raw`^${DATE}(?:(T| +|, )${TIME}( ?)(Z|[+-]\d{2}(?::?\d{2})?)?)?$`);
const DIGITS = /^(\d{8})(?:(T| )?(\d{4}|\d{6}))?(Z|[+-]\d{2}:?\d{2})?$/;

/** @param texts of one column, none of them empty */
export function dateForm(texts: readonly string[]): DateForm | undefined {
  if (texts.length === 0) return undefined;
  const forms = DIGITS.test(texts[0]!) ? digitForms(texts) : writtenForms(texts);
  const fitting = forms.filter(({ format }) => {
    const read = createFormatReader(format);
    return texts.every((text) => read(text) !== undefined);
  });
  const [first, second] = fitting;
  if (!first || !second) return first;
  const [a, b] = [largestStep(texts, first.format), largestStep(texts, second.format)];
  if (a * 5 < b) return first;
  return b * 5 < a ? second : { ...first, doubtful: true };
}

function digitForms(texts: readonly string[]): DateForm[] {
  const [, , mark, time, zone] = DIGITS.exec(texts[0]!)!;
  const between = mark === 'T' ? "'T'" : (mark ?? '');
  const hours = time === undefined ? '' : `${between}HHmm${time.length === 6 ? 'ss' : ''}`;
  return [
    {
      format: `yyyyMMdd${hours}${zone === undefined ? '' : 'Z'}`,
      zoned: zone !== undefined,
      dateOnly: time === undefined,
    },
  ];
}

function writtenForms(texts: readonly string[]): DateForm[] {
  const parts = texts.map((text) => WHOLE.exec(text));
  const [first] = parts;
  if (!first || parts.some((one) => one === null)) return [];
  const column = (at: number): string[] => parts.map((one) => one![at] ?? '');
  const [, , sep1 = '', , sep2 = ''] = first;
  const between = first[6];
  const time = between === undefined ? '' : `${literal(between)}${timeTokens(column)}`;
  const zoned = first[16] !== undefined;
  return dateTokens(column(1), column(3), column(5)).map(({ tokens: [a, b, c], dayFirst }) => ({
    format: `${a}${sep1}${b}${sep2}${c}${time}${zoned ? `${first[15] ?? ''}Z` : ''}`,
    zoned,
    dateOnly: between === undefined,
    ...(dayFirst === undefined ? undefined : { dayFirst }),
  }));
}

const literal = (text: string): string => (text === 'T' ? "'T'" : text);

/** One letter takes one digit or two; two letters take two. */
function padded(letter: string, texts: readonly string[]): string {
  return texts.some((text) => text.startsWith('0')) && texts.every((text) => text.length === 2)
    ? letter.repeat(2)
    : letter;
}

interface DateTokens {
  readonly tokens: readonly [string, string, string];
  readonly dayFirst?: boolean;
}

function dateTokens(a: readonly string[], b: readonly string[], c: readonly string[]): DateTokens[] {
  const month = (texts: readonly string[]): string => (texts.every((text) => text.length === 3) ? 'MMM' : 'MMMM');
  const year = (texts: readonly string[]): string => (texts.every((text) => text.length === 4) ? 'yyyy' : 'yy');
  if (/^[A-Za-z]/.test(b[0]!)) return [{ tokens: [padded('d', a), month(b), year(c)] }];
  if (/^[A-Za-z]/.test(a[0]!)) return [{ tokens: [month(a), padded('d', b), year(c)] }];
  if (a[0]!.length === 4) return [{ tokens: ['yyyy', padded('M', b), padded('d', c)] }];
  return [
    { tokens: [padded('d', a), padded('M', b), year(c)], dayFirst: true },
    { tokens: [padded('M', a), padded('d', b), year(c)], dayFirst: false },
  ];
}

function timeTokens(column: (at: number) => string[]): string {
  const [sep1, sep2, sep3] = [column(8)[0]!, column(10)[0]!, column(12)[0]!];
  const half = column(14)[0]!;
  const hours = padded(half === '' ? 'H' : 'h', column(7));
  const seconds = column(11)[0] === '' ? '' : `${sep2}ss`;
  const fraction = sep3 === '' ? '' : `${sep3}u`;
  const meridiem = half === '' ? '' : `${half.startsWith(' ') ? ' ' : ''}a`;
  return `${hours}${sep1}mm${seconds}${fraction}${meridiem}`;
}

/** The longest step between times that follow each other, in a form; those of a wrong form jump by months. */
function largestStep(texts: readonly string[], format: string): number {
  const read = createFormatReader(format);
  let largest = 0;
  let before: number | undefined;
  for (const text of texts) {
    const { ms } = read(text)!;
    if (before !== undefined) largest = Math.max(largest, Math.abs(ms - before));
    before = ms;
  }
  return largest;
}
