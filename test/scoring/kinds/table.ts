/**
 * Writes the table of kinds into docs/models.md: node test/scoring/kinds/table.ts [ROWS]. Kinds are those of make.py,
 * each with 1 and 12 features, trained on continuous and on rounded readings; the table sums these up.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Compared, compareKinds, libraries } from './kinds.ts';

const rows = Number(process.argv[2] ?? 20_000);
const tools = fileURLToPath(new URL('../../../.tools/test/', import.meta.url));
const page = new URL('../../../docs/models.md', import.meta.url);
const scratch = mkdtempSync(join(tmpdir(), 'fleetscore-kinds-'));

function line(kind: string, cases: readonly Compared[]): string {
  const total = (of: (one: Compared) => number): string =>
    cases.reduce((sum, one) => sum + of(one), 0).toLocaleString('en');
  const refused = cases.find((one) => one.refused !== undefined);
  if (refused) return `| ${kind} | no: ${refused.refused} | | | |`;
  const worst = Math.max(...cases.map((one) => one.worst));
  const noted = cases.some((one) => one.note !== undefined) ? 'yes, with a note on ties' : 'yes';
  return (
    `| ${kind} | ${noted} | ${total((one) => one.rows)} | ${total((one) => one.differ)} | ` +
    `${worst === 0 ? '0' : worst.toExponential(0)} |`
  );
}

try {
  const packages = libraries();
  if (packages === undefined) throw new Error('scikit-learn and PyOD are needed');
  const compared = await compareKinds(scratch, rows, packages, tools);
  const lines = [...Map.groupBy(compared, ({ kind }) => kind)].map(([kind, cases]) => line(kind, cases));
  const table = [
    '| kind | converted | rows | labels that differ | largest difference of scores |',
    '| --- | --- | ---: | ---: | ---: |',
    ...lines,
  ].join('\n');
  const text = readFileSync(page, 'utf8');
  const [before, after] = [text.split('<!-- kinds -->')[0]!, text.split('<!-- /kinds -->')[1]!];
  writeFileSync(page, `${before}<!-- kinds -->\n\n${table}\n\n<!-- /kinds -->${after}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
