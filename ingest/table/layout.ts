/**
 * Which columns a file has and what they mean: TS, Device, Sensor, Value (long), or a column for each sensor (wide).
 * Decided once, from the names alone; what does not fit is told before a row is read.
 */
import { nameProblem } from '../../domain/sensor.ts';
import { globMatches } from '../../domain/glob.ts';

const COLUMNS = ['ts', 'device', 'sensor', 'value', 'quality'] as const;
export type Column = (typeof COLUMNS)[number];
export const isColumn = (name: string): name is Column => COLUMNS.some((one) => one === name);
export const TITLES: Readonly<Record<Column, string>> = {
  ts: 'TS',
  device: 'Device',
  sensor: 'Sensor',
  value: 'Value',
  quality: 'Quality',
};
/** Also taken for Value: the column of a predictions file. */
export const VALUE_ALIAS = 'val';

/** What the columns mean, where their names do not say it. */
export interface Layout {
  /** Names of columns that stand for TS, Device, Sensor, Value, Quality; `Date+Time` for a time in two of them. */
  readonly columns?: Readonly<Partial<Record<Column, string>>>;
  /** A column for each sensor. */
  readonly wide?: boolean;
  /** The device of all rows, where no column names it. */
  readonly device?: string;
  /** The sensor of all rows of a long file, where no column names it. */
  readonly sensor?: string;
  /** Sensors that are sent, or left out; `*` and `?` as in the filter of ingest. */
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
}

interface Common {
  /** Where the time stands, in one column or in several, which are joined by a space. */
  readonly ts: readonly number[];
  /** -1 where it is said for all rows. */
  readonly device: number;
  readonly quality?: number;
  /** Whether the quality decides here, because it was named; otherwise it is handed on. */
  readonly qualityDecides: boolean;
  readonly fields: number;
}

export interface LongPlan extends Common {
  readonly kind: 'long';
  readonly sensor: number;
  readonly value: number;
}

export interface WidePlan extends Common {
  readonly kind: 'wide';
  readonly sensors: readonly { readonly name: string; readonly at: number }[];
}

export type Plan = LongPlan | WidePlan;

/** Where a column stands, by its name in any case, or by its place: `#1` is the first, which may have no name. */
const createFinder =
  (names: readonly string[]) =>
  (name: string): number => {
    const exact = names.indexOf(name);
    if (exact >= 0) return exact;
    const place = /^#(\d{1,6})$/.exec(name)?.[1];
    if (place !== undefined && Number(place) >= 1 && Number(place) <= names.length) return Number(place) - 1;
    return names.findIndex((one) => one.toLowerCase() === name.toLowerCase());
  };

/** Where a time stands: a column of that name, or columns whose names are joined by `+`. */
export function timeColumns(names: readonly string[], name: string): number[] | undefined {
  const find = createFinder(names);
  const whole = find(name);
  if (whole >= 0) return [whole];
  const parts = name.split('+').map((part) => find(part.trim()));
  return parts.length > 1 && parts.every((at) => at >= 0) ? parts : undefined;
}

/** What the columns of a file are, or what does not fit. */
export function planOf(names: readonly string[], layout: Layout): Plan | { readonly problem: string } {
  const { columns = {}, device, wide = false } = layout;
  const find = createFinder(names);
  for (const [column, name] of Object.entries(columns))
    if (column !== 'ts' && find(name) < 0) return { problem: `there is no column ${name} for the ${column}` };
  const ts = timeColumns(names, columns.ts ?? TITLES.ts);
  if (!ts)
    return {
      problem: `there is no column ${columns.ts ?? TITLES.ts} for the time; say --columns ts=NAME`,
    };
  const deviceAt = find(columns.device ?? TITLES.device);
  if (deviceAt < 0 && device === undefined)
    return { problem: 'no column names the device; say --device NAME, or --columns device=NAME' };
  const quality = find(columns.quality ?? TITLES.quality);
  const twice = columnTwice(names, layout);
  if (twice) return twice;
  const common = {
    ts,
    device: deviceAt,
    ...(quality < 0 ? undefined : { quality }),
    qualityDecides: columns.quality !== undefined,
    fields: names.length,
  };
  return wide ? widePlan(names, common, layout) : longPlan(names, common, layout);
}

/** A needed column that is there twice, unless it is named by its place. */
function columnTwice(
  names: readonly string[],
  { columns = {}, wide = false }: Layout,
): { readonly problem: string } | undefined {
  const find = createFinder(names);
  for (const column of COLUMNS) {
    const name = columns[column] ?? TITLES[column];
    const at = find(name);
    if (at < 0 || name.startsWith('#') || names.indexOf(names[at]!, at + 1) < 0) continue;
    if (wide && (column === 'sensor' || column === 'value')) continue;
    return {
      problem:
        `the column ${JSON.stringify(names[at])} is there twice; say which one by its place: ` +
        `--columns ${column}=#${at + 1}`,
    };
  }
  return undefined;
}

function longPlan(
  names: readonly string[],
  common: Common,
  { columns = {}, sensor }: Layout,
): Plan | { readonly problem: string } {
  const find = createFinder(names);
  const sensorAt = find(columns.sensor ?? TITLES.sensor);
  const named = find(columns.value ?? TITLES.value);
  const value = named < 0 && columns.value === undefined ? find(VALUE_ALIAS) : named;
  if (sensorAt < 0 && sensor === undefined)
    return { problem: 'no column names the sensor; say --columns sensor=NAME, --sensor NAME or --wide' };
  if (value < 0) return { problem: 'no column has the value; say --columns value=NAME' };
  return { kind: 'long', ...common, sensor: sensorAt, value };
}

function widePlan(
  names: readonly string[],
  common: Common,
  { include, exclude }: Layout,
): Plan | { readonly problem: string } {
  const passes = sensorFilter({ ...(include ? { include } : {}), ...(exclude ? { exclude } : {}) });
  const others = new Set([...common.ts, common.device, common.quality ?? -1]);
  const all = names.map((name, at) => ({ name, at })).filter(({ name, at }) => name !== '' && !others.has(at));
  const sensors = all.filter(({ name }) => passes(name));
  if (sensors.length === 0)
    return {
      problem:
        all.length === 0
          ? 'there is no column of a sensor'
          : `no column of a sensor is left of ${listOf(all.map(({ name }) => name))}`,
    };
  for (const { name } of sensors) {
    const problem = nameProblem('sensor', name);
    if (problem !== undefined) return { problem };
  }
  const twice = sensors.find(({ name }, i) => sensors.some((other, j) => j < i && other.name === name));
  if (twice) return { problem: `the column ${JSON.stringify(twice.name)} is there twice` };
  return { kind: 'wide', ...common, sensors };
}

/** Names for a message, which has an end. */
export const listOf = (names: readonly string[]): string => {
  const text = names.join(', ');
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
};

export function sensorFilter({ include, exclude }: Pick<Layout, 'include' | 'exclude'>): (name: string) => boolean {
  if (!include && !exclude) return () => true;
  const any = (patterns: readonly string[], name: string): boolean => patterns.some((one) => globMatches(one, name));
  return (name) => (include === undefined || any(include, name)) && !(exclude !== undefined && any(exclude, name));
}
