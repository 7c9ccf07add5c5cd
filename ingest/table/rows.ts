/**
 * Rows of a file -> readings, whatever the file is. A row of a long file is one reading, of a wide one as many as it
 * has values. A cell without a value is normal and counted; one that is no number is told and costs itself alone.
 */
import { nameProblem } from '../../domain/sensor.ts';
import { isoTime } from '../../domain/time.ts';
import { boundedMap } from '../bounded-map.ts';
import type { SentReading } from '../send-readings.ts';
import { createValueReader, nameOfCell, type Cell, type Decimal } from './cells.ts';
import { planOf, sensorFilter, type Layout, type LongPlan, type Plan, type WidePlan } from './layout.ts';
import { createQualityTest } from './quality.ts';
import { createTimeReader, type TimeReader, type TimeRules } from './times.ts';

/** All that is said of how a file is to be read, but for how its bytes become rows. */
export interface TableFormat extends Layout, TimeRules {
  /** Default a point. Of texts only. */
  readonly decimal?: Decimal;
  /** What also stands for no value, such as `-200`. */
  readonly missing?: readonly string[];
  /** Values of the quality that are good, instead of those of OPC. */
  readonly good?: readonly string[];
}

export interface TableRow {
  readonly readings: readonly SentReading[];
  /** Cells without a value. */
  readonly missing: number;
  /** Cells that are no numbers. */
  readonly problems: readonly string[];
  /** The flag of a row that is left out, because its quality is not good. */
  readonly notGood?: string;
}

export interface TableReader {
  /** The readings of a row, or why it is none. */
  read(cells: readonly Cell[]): TableRow | string;
  /** Times that clocks showed twice. */
  ambiguous(): number;
}

const NOTHING: TableRow = { readings: [], missing: 0, problems: [] };
const KNOWN_NAMES = 100_000;

/**
 * @param names of the columns
 * @returns a reader, or what does not fit between the columns and what was said of them
 * @throws FleetscoreError `INVALID_ZONE`, `INVALID_ARGUMENT`
 */
export function createTableReader(
  names: readonly string[],
  format: TableFormat,
): (TableReader & { readonly plan: Plan }) | { readonly problem: string } {
  const times = createTimeReader(format);
  const plan = planOf(names, format);
  if ('problem' in plan) return plan;
  const readRow = plan.kind === 'wide' ? wideRows(plan, format, times) : longRows(plan, format, times);
  const qualityOf = createQualityTest(format.good);
  const read = ({ quality, qualityDecides }: Plan, cells: readonly Cell[]): TableRow | string => {
    if (quality === undefined || !qualityDecides) return readRow(cells);
    const flag = qualityOf(cells[quality] ?? null);
    if ('problem' in flag) return flag.problem;
    return flag.good ? readRow(cells) : { ...NOTHING, notGood: flag.flag };
  };
  return { plan, read: (cells) => read(plan, cells), ambiguous: times.ambiguous };
}

type ReadRow = (cells: readonly Cell[]) => TableRow | string;

/** The time of a row. Parts of it may be typed: a date and a time of day. */
function timeOf(cells: readonly Cell[], at: readonly number[]): Cell {
  const only = at.length === 1 ? cells[at[0]!] : undefined;
  if (only !== undefined) return only;
  return at
    .map((column) => {
      const cell = cells[column] ?? null;
      // A typed date, with its time of day in another column.
      return typeof cell === 'object' && cell !== null ? isoTime(cell.ms).slice(0, 10) : nameOfCell(cell);
    })
    .filter((text) => text !== '')
    .join(' ');
}

function createNameCheck(): (what: 'device' | 'sensor', name: string) => string | undefined {
  const good = boundedMap<true>(KNOWN_NAMES);
  return (what, name) => {
    if (good.get(name)) return undefined;
    const problem = nameProblem(what, name);
    if (problem === undefined) good.set(name, true);
    return problem;
  };
}

function longRows(plan: LongPlan, format: TableFormat, times: TimeReader): ReadRow {
  const check = createNameCheck();
  const passes = sensorFilter(format);
  const readValue = createValueReader(format.decimal ?? '.', format.missing);
  const nameAt = (cells: readonly Cell[], at: number, said: string | undefined): string =>
    at < 0 ? said! : nameOfCell(cells[at] ?? null);
  const isCut = (cells: readonly Cell[], needed: readonly (Cell | undefined)[]): boolean =>
    cells.length < plan.fields && needed.some((cell) => cell === undefined || cell === '');
  return (cells) => {
    const device = nameAt(cells, plan.device, format.device);
    const sensor = nameAt(cells, plan.sensor, format.sensor);
    const cell = cells[plan.value];
    const time = timeOf(cells, plan.ts);
    if (isCut(cells, [time, device, sensor, cell]))
      return `the row has ${cells.length} fields, the header ${plan.fields}`;
    const badName = check('device', device) ?? check('sensor', sensor);
    if (badName !== undefined) return badName;
    if (!passes(sensor)) return NOTHING;
    const tsMs = times.read(time, `${device}\0${sensor}`);
    if (typeof tsMs === 'string') return tsMs;
    const value = readValue(cell ?? null);
    if (typeof value === 'string') return value;
    if (value === undefined) return { ...NOTHING, missing: 1 };
    const flag = plan.quality === undefined ? '' : nameAt(cells, plan.quality, '');
    return {
      ...NOTHING,
      readings: [{ tsMs, device, sensor, value, ...(flag === '' ? undefined : { quality: flag }) }],
    };
  };
}

function wideRows(plan: WidePlan, format: TableFormat, times: TimeReader): ReadRow {
  const check = createNameCheck();
  const readValue = createValueReader(format.decimal ?? '.', format.missing);
  return (cells) => {
    const device = plan.device < 0 ? format.device! : nameOfCell(cells[plan.device] ?? null);
    const tsMs = times.read(timeOf(cells, plan.ts), device);
    if (typeof tsMs === 'string') return tsMs;
    const badDevice = check('device', device);
    if (badDevice !== undefined) return badDevice;
    const readings: SentReading[] = [];
    const problems: string[] = [];
    let missing = 0;
    for (const { name, at } of plan.sensors) {
      const value = readValue(cells[at] ?? null);
      if (value === undefined) missing++;
      else if (typeof value === 'string') problems.push(`column ${name}: ${value}`);
      else readings.push({ tsMs, device, sensor: name, value });
    }
    return { readings, missing, problems };
  };
}
