/**
 * `npm run bench -- --kinds`: of every kind of model that `models convert` takes, whether its labels and scores are
 * those of its own library, and how many rows a second it scores alone and in packs. Writes the table into
 * docs/models.md where all of it was measured.
 *
 *   npm run bench -- --kinds [--rows 100000] [--train 600] [--trees 100] [--sensors 200]
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Compared, compareKinds, libraries } from '../test/scoring/kinds/kinds.ts';
import { modelProcessSeconds } from './processes.ts';

const PAGE = new URL('../docs/models.md', import.meta.url);
const DEFAULTS = { rows: '100000', train: '600', trees: '100', sensors: '200' } as const;

export async function benchKinds(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kinds: { type: 'boolean' },
      rows: { type: 'string', default: DEFAULTS.rows },
      train: { type: 'string', default: DEFAULTS.train },
      trees: { type: 'string', default: DEFAULTS.trees },
      sensors: { type: 'string', default: DEFAULTS.sensors },
    },
  });
  const packages = libraries();
  if (packages === undefined) throw new Error('scikit-learn and PyOD are needed, and cannot be installed');
  const scratch = mkdtempSync(join(tmpdir(), 'fleetscore-kinds-'));
  try {
    const sizes = { rows: Number(values.rows), train: Number(values.train), trees: Number(values.trees) };
    const fleet = { sensors: Number(values.sensors), cpuSeconds };
    const table = tableOf(await compareKinds(scratch, { ...sizes, fleet }, packages));
    process.stdout.write(`${table}\n`);
    const isWhole = Object.entries(DEFAULTS).every(([name, value]) => values[name as keyof typeof DEFAULTS] === value);
    if (isWhole) writeTable(table);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6 + modelProcessSeconds();
}

function tableOf(compared: readonly Compared[]): string {
  const byKind = Map.groupBy(compared, ({ kind }) => kind);
  return [
    '| kind | taken | packed as | rows | labels that differ | largest difference of scores | other in packs ' +
      '| rows/s alone | rows/s in packs |',
    '| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...[...byKind].map(([kind, cases]) => line(kind, cases)),
  ].join('\n');
}

/** The cases of a kind as one: sums of rows, the worst score, rates of 1 and of 12 features. */
function line(kind: string, cases: readonly Compared[]): string {
  const refused = cases.find((one) => one.refused !== undefined);
  if (refused) return `| ${kind} | no: ${refused.refused} | | | | | | | |`;
  const total = (of: (one: Compared) => number): string =>
    cases.reduce((sum, one) => sum + of(one), 0).toLocaleString('en');
  const worst = Math.max(...cases.map((one) => one.worst));
  const ways = [...new Set(cases.map(({ way = 'by itself' }) => way))].join(', ');
  const rate = (of: (one: Compared) => number | undefined): string =>
    [...Map.groupBy(cases, ({ features }) => features).values()]
      .map((some) => some.map(of).filter((value) => value !== undefined))
      .map((some) => (some.length === 0 ? '-' : rounded(Math.max(...some))))
      .join(' / ');
  return (
    `| ${kind} | ${cases.some((one) => one.note !== undefined) ? 'yes, with a note on ties' : 'yes'} | ${ways} ` +
    `| ${total((one) => one.rows)} | ${total((one) => one.differ)} | ${worst === 0 ? '0' : worst.toExponential(0)} ` +
    `| ${total((one) => one.otherInPack)} | ${rate((one) => one.alonePerSecond)} ` +
    `| ${rate((one) => one.packedPerSecond)} |`
  );
}

/** Two digits: more would be noise. */
const rounded = (value: number): string => Number(value.toPrecision(2)).toLocaleString('en');

function writeTable(table: string): void {
  const text = readFileSync(PAGE, 'utf8');
  const [before, after] = [text.split('<!-- kinds -->')[0]!, text.split('<!-- /kinds -->')[1]!];
  writeFileSync(PAGE, `${before}<!-- kinds -->\n\n${table}\n\n<!-- /kinds -->${after}`);
}
