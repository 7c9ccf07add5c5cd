/** The table of kinds of models in docs/models.md: a row a kind, measured anew or left as it was. Pure. */
import type { Compared } from '../test/scoring/kinds/kinds.ts';

export const HEAD = [
  '| kind | taken | packed as | rows | labels that differ | largest difference of scores | other in packs ' +
    '| rows/s alone | rows/s in packs |',
  '| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
];

/** By kind. */
export const linesOf = (compared: readonly Compared[]): ReadonlyMap<string, string> =>
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

/**
 * A page whose table has these rows in place of those of the same kinds; the others stay as they were measured.
 * @param kinds all of them, in their order; rows of any other go
 * @throws Error where the page has no place for the table
 */
export function withRows(page: string, lines: ReadonlyMap<string, string>, kinds: readonly string[]): string {
  const [before, rest] = page.split('<!-- kinds -->');
  const [table, after] = rest?.split('<!-- /kinds -->') ?? [];
  if (table === undefined || after === undefined) throw new Error('the page has no <!-- kinds --> and <!-- /kinds -->');
  const found = new Map(table.split('\n').map((row) => [row.split('|')[1]?.trim() ?? '', row]));
  const rows = kinds.flatMap((kind) => lines.get(kind) ?? found.get(kind) ?? []);
  return `${before}<!-- kinds -->\n\n${[...HEAD, ...rows].join('\n')}\n\n<!-- /kinds -->${after}`;
}
