/** What the columns beside the time are: a sensor each, or device, sensor and value; and which are no measurements. */
import { nameProblem } from '../../domain/sensor.ts';
import type { CsvFormat } from '../csv/read.ts';
import { createValueReader, isMissingWord, isNumberIn, type Cell, type Decimal } from '../table/cells.ts';
import type { Sample } from './sample.ts';

export interface ColumnsGuess {
  readonly format: CsvFormat;
  readonly says: readonly string[];
}

/** Any of these words, which may be followed by `id`, `name` or `number`. */
const naming = (words: string): RegExp => new RegExp(`^(${words})([_ ]?(id|name|nr|number))?$`, 'i');

const DEVICE = naming(
  'device|unit|machine|maschine|asset|equipment|turbine|pump|engine|anlage|ger[aä]t|station|host|site',
);
const SENSOR = naming('sensor|tag|metric|channel|variable|parameter|signal|kanal|messstelle|point|item|series');
const VALUE = /^(value|val|reading|wert|messwert|measurement|measured[_ ]?value)$/i;
const QUALITY = /^(quality|qualit[aä]t|opc[_ ]?quality|status[_ ]?code|qc)$/i;
const LABEL = new RegExp(
  '^((is[_ ]?)?anomaly|anomalies|change[_ ]?point|labels?|target|class|(is[_ ]?)?outlier|attack|fault|' +
    'ground[_ ]?truth)$',
  'i',
);
const ROW_NUMBER = /^(id|no|nr|index|row|row[_ ]?(number|id)|#|unnamed.*)$/i;
/** What loggers write where there is no value. */
const SENTINELS = [-200, -99, -999, -9_999, -99_999, -99.9, -999.9, -999.99] as const;

interface ColumnSample {
  readonly name: string;
  readonly at: number;
  readonly cells: readonly Cell[];
}

/** What a file's columns share, long or wide. */
interface Common {
  readonly others: readonly ColumnSample[];
  readonly decimal: Decimal;
  readonly device: ColumnSample | undefined;
  readonly quality: ColumnSample | undefined;
  readonly format: CsvFormat;
  readonly notes: readonly string[];
}

export function guessColumns(sample: Sample, timeAt: readonly number[], said: CsvFormat, file: string): ColumnsGuess {
  const others = sample.names
    .map((name, at) => ({ name, at, cells: sample.rows.map((row) => row[at] ?? null) }))
    .filter(({ name, at }) => name !== '' && !timeAt.includes(at));
  const decimal = said.decimal ?? decimalOf(others.flatMap(({ cells }) => cells));
  const device = others.find(({ name }) => DEVICE.test(name));
  const quality = others.find(
    ({ name, cells }) => QUALITY.test(name) && cells.some((cell) => /^(good|uncertain|bad)/i.test(String(cell))),
  );
  const columns = { ...named(device, 'device'), ...named(quality, 'quality') };
  const common: Common = {
    others,
    decimal,
    device,
    quality,
    format: {
      columns,
      ...(decimal === '.' ? undefined : { decimal }),
      ...(device ? undefined : { device: said.device ?? deviceFrom(file) }),
    },
    notes: [
      ...(decimal === '.' ? [] : ['decimal commas']),
      ...(columns.quality === undefined ? [] : [`only what ${columns.quality} calls good`]),
    ],
  };
  return (said.wide ? undefined : longGuess(common)) ?? wideGuess(common, said);
}

type Role = 'device' | 'sensor' | 'value' | 'quality';

/** A column that has another name than the one of its role. */
const named = (column: ColumnSample | undefined, role: Role): Partial<Record<Role, string>> =>
  column && column.name.toLowerCase() !== role ? { [role]: column.name } : {};

function longGuess({ others, decimal, format, notes }: Common): ColumnsGuess | undefined {
  const sensor = others.find(
    ({ name, cells }) => /^sensor$/i.test(name) || (SENSOR.test(name) && !isNumeric(cells, decimal)),
  );
  const value = others.find(({ name, cells }) => VALUE.test(name) && isNumeric(cells, decimal));
  if (!sensor || !value) return undefined;
  const columns = {
    ...format.columns,
    ...named(sensor, 'sensor'),
    ...(/^val$/i.test(value.name) ? undefined : named(value, 'value')),
  };
  return { format: { ...format, columns }, says: ['a row for each reading', ...notes] };
}

function wideGuess({ others, decimal, device, quality, format, notes }: Common, said: CsvFormat): ColumnsGuess {
  const rest = others.filter((one) => one !== device && one !== quality);
  const left = rest.filter(
    ({ name, cells }) =>
      LABEL.test(name) ||
      ROW_NUMBER.test(name) ||
      nameProblem('sensor', name) !== undefined ||
      (!isNumeric(cells, decimal) && cells.some(isText)),
  );
  const sensors = rest.filter((one) => !left.includes(one));
  const missing = said.missing ?? sentinelsOf(sensors.map(({ cells }) => numbersOf(cells, decimal)));
  const exclude = said.exclude ?? left.map(({ name }) => name);
  return {
    format: {
      wide: true,
      ...format,
      ...(exclude.length > 0 && said.include === undefined ? { exclude } : undefined),
      ...(missing.length > 0 ? { missing } : undefined),
    },
    says: [
      'one column per sensor',
      ...notes,
      ...(missing.length > 0 ? [`${missing.join(', ')} where there is no value`] : []),
      ...(exclude.length > 0 ? [`${exclude.join(', ')} left out as no measurement`] : []),
    ],
  };
}

const isText = (cell: Cell): boolean => typeof cell === 'string' && !isMissingWord(cell);

function decimalOf(cells: readonly Cell[]): Decimal {
  let commas = 0;
  let points = 0;
  for (const cell of cells) {
    if (typeof cell !== 'string') continue;
    if (/^[+-]?\d*,\d+$/.test(cell)) commas++;
    else if (/^[+-]?\d*\.\d+$/.test(cell)) points++;
  }
  return commas > points ? ',' : '.';
}

/** Nearly all of what it has are numbers; a column without any cell that is one may be one whose sensor was off. */
function isNumeric(cells: readonly Cell[], decimal: Decimal): boolean {
  const full = cells.filter((cell) => cell !== null && !(typeof cell === 'string' && isMissingWord(cell)));
  const numbers = full.filter((cell) =>
    typeof cell === 'string' ? isNumberIn(cell, decimal) : typeof cell !== 'object',
  );
  return numbers.length >= full.length * 0.9;
}

function numbersOf(cells: readonly Cell[], decimal: Decimal): number[] {
  const read = createValueReader(decimal);
  return cells.map(read).filter((value): value is number => typeof value === 'number');
}

/** A sentinel comes again and again, below all other values and far from them. */
function sentinelsOf(columns: readonly (readonly number[])[]): string[] {
  return SENTINELS.filter((sentinel) =>
    columns.some((values) => {
      const others = values.filter((value) => value !== sentinel);
      if (others.length === values.length || values.length < 3) return false;
      const [low, high] = [Math.min(...others), Math.max(...others)];
      return others.length === 0 || (low > sentinel && (low >= 0 || low - sentinel > high - low));
    }),
  ).map(String);
}

/** A device of the name of the file. */
function deviceFrom(file: string): string {
  const name = file.replaceAll(/\s+/g, ' ').trim();
  return name !== '' && name !== '-' && nameProblem('device', name) === undefined ? name : 'device-1';
}
