/**
 * A field of a row, whatever file it comes from -> a value. Strict, because what is nearly a number is another number:
 * a text is a decimal number in one notation, a typed value is taken where 64 bits of floating point hold it exactly.
 */

/** A time of a typed file: an instant (`zoned`), or what a clock of some zone showed, written as if it were UTC. */
export interface TimeCell {
  /** Epoch milliseconds; digits past them are cut. */
  readonly ms: number;
  readonly zoned: boolean;
}

/** Text of a CSV file without the spaces around it, or a typed value of Parquet or Avro. */
export type Cell = string | number | bigint | boolean | null | TimeCell;

/** What separates the digits behind the whole ones. */
export type Decimal = '.' | ',';

/** How files write that there is no value (pandas' own list of such words, without numbers). */
const MISSING_WORDS = /^(|nan|-nan|na|n\/a|<na>|#n\/a|null|none|nil|\?|-)$/i;

const NUMBERS: Readonly<Record<Decimal, RegExp>> = {
  '.': /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?$/,
  ',': /^[+-]?(?:\d+,?\d*|,\d+)(?:[eE][+-]?\d{1,4})?$/,
};

/** As pandas, Polars and Spark write the booleans that Parquet and Avro hold as such. */
const BOOLEANS: Readonly<Record<string, number>> = { true: 1, false: 0 };
const booleanOf = (text: string): number | undefined => BOOLEANS[text.toLowerCase()];

export const isNumberIn = (text: string, decimal: Decimal): boolean =>
  NUMBERS[decimal].test(text) || booleanOf(text) !== undefined;
export const isMissingWord = (text: string): boolean => MISSING_WORDS.test(text);

export type ReadValue = (cell: Cell) => number | undefined | string;

/**
 * Reads values of one file: the number, undefined where there is none, or why the cell is no number.
 * @param missing what also stands for no value: a number in any notation (`-200` is `-200,0`), or a text
 */
export function createValueReader(decimal: Decimal, missing: readonly string[] = []): ReadValue {
  const texts = new Set(missing);
  const numbers = new Set(missing.filter((text) => NUMBERS['.'].test(text)).map(Number));
  return (cell) => {
    if (cell === null || (typeof cell === 'string' && (MISSING_WORDS.test(cell) || texts.has(cell)))) return undefined;
    const value = typeof cell === 'string' ? readNumber(cell, decimal) : readTyped(cell);
    return typeof value === 'number' && numbers.has(value) ? undefined : value;
  };
}

function readNumber(text: string, decimal: Decimal): number | string {
  const truth = booleanOf(text);
  if (truth !== undefined) return truth;
  const plain = NUMBERS[decimal].test(text);
  const value = plain ? Number(decimal === ',' ? text.replace(',', '.') : text) : Number.NaN;
  if (Number.isFinite(value)) return value;
  const shown = `Value ${JSON.stringify(text.slice(0, 60))}`;
  if (plain) return `${shown} is larger than a number of 64 bits holds`;
  if (NUMBERS[decimal === '.' ? ',' : '.'].test(text))
    return `${shown} has a decimal ${decimal === '.' ? 'comma: say --decimal ,' : 'point: say --decimal .'}`;
  return /^[+-]?\d{1,3}([.,' ]\d{3})+([.,]\d+)?$/.test(text)
    ? `${shown} has separators of thousands: write it without`
    : `${shown} is not a finite decimal number`;
}

function readTyped(cell: Exclude<Cell, string | null>): number | undefined | string {
  if (typeof cell === 'boolean') return cell ? 1 : 0;
  if (typeof cell === 'object') return 'Value is a time';
  if (typeof cell === 'number') {
    if (Number.isNaN(cell)) return undefined;
    return Number.isFinite(cell) ? cell : `Value ${cell} is not finite`;
  }
  const value = Number(cell);
  return BigInt(value) === cell ? value : `Value ${cell} is larger than a number of 64 bits holds exactly`;
}

/** A cell as the text of a name. */
export const nameOfCell = (cell: Cell): string => (cell === null || typeof cell === 'object' ? '' : String(cell));
