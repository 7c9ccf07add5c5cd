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
import { compareKinds, libraries } from '../test/scoring/kinds/kinds.ts';
import { wrongFlag } from './flags.ts';
import { HEAD, linesOf, withRows } from './kinds-table.ts';
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
    const kinds = JSON.parse(readFileSync(join(scratch, 'kinds.json'), 'utf8')) as string[];
    if (lines.size === 0)
      throw wrongFlag(`--only takes parts of the names of kinds, not ${values.only.join(', ')}: ${kinds.join('; ')}`);
    process.stdout.write(`${[...HEAD, ...lines.values()].join('\n')}\n`);
    const isWhole = Object.entries(DEFAULTS).every(([name, value]) => values[name as keyof typeof DEFAULTS] === value);
    if (isWhole) writeFileSync(PAGE, withRows(readFileSync(PAGE, 'utf8'), lines, kinds));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6 + modelProcessSeconds();
}
