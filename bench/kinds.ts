/**
 * `npm run bench -- --kinds`: of every kind of model that `models convert` takes, whether its labels and scores are
 * those of its own library, and how many rows a second it scores alone and in packs. Writes the table into
 * docs/models.md where it was measured in the sizes that the page names; with --only the rows of these kinds alone.
 *
 *   npm run bench -- --kinds [--rows 100000] [--train 600] [--trees 100] [--sensors 200] [--only PART_OF_KIND ...]
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
      only: { type: 'string', multiple: true, default: [] },
    },
  });
  const packages = libraries();
  if (packages === undefined) throw new Error('scikit-learn and PyOD are needed, and cannot be installed');
  const scratch = mkdtempSync(join(tmpdir(), 'fleetscore-kinds-'));
  try {
    const sizes = { rows: Number(values.rows), train: Number(values.train), trees: Number(values.trees) };
    const fleet = { sensors: Number(values.sensors), cpuSeconds };
    const lines = linesOf(await compareKinds(scratch, { ...sizes, only: values.only, fleet }, packages));
    process.stdout.write(`${[...HEAD, ...lines.values()].join('\n')}\n`);
    const isWhole = Object.entries(DEFAULTS).every(([name, value]) => values[name as keyof typeof DEFAULTS] === value);
    if (isWhole) writeTable(lines, JSON.parse(readFileSync(join(scratch, 'kinds.json'), 'utf8')) as string[]);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6 + modelProcessSeconds();
}

const HEAD = [
  '| kind | taken | packed as | rows | labels that differ | largest difference of scores | other in packs ' +
    '| rows/s alone | rows/s in packs |',
  '| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
];

/** By kind. */
const linesOf = (compared: readonly Compared[]): ReadonlyMap<string, string> =>
  new Map([...Map.groupBy(compared, ({ kind }) => kind)].map(([kind, cases]) => [kind, line(kind, cases)]));

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

/** Rows of other kinds stay as they were measured. @param kinds all of them, in their order */
function writeTable(lines: ReadonlyMap<string, string>, kinds: readonly string[]): void {
  const text = readFileSync(PAGE, 'utf8');
  const [before = '', rest = ''] = text.split('<!-- kinds -->');
  const [table = '', after = ''] = rest.split('<!-- /kinds -->');
  const found = new Map(table.split('\n').map((row) => [row.split('|')[1]?.trim() ?? '', row]));
  const rows = kinds.flatMap((kind) => lines.get(kind) ?? found.get(kind) ?? []);
  const whole = [...HEAD, ...rows].join('\n');
  writeFileSync(PAGE, `${before}<!-- kinds -->\n\n${whole}\n\n<!-- /kinds -->${after}`);
}
