/** The forests of the packs in test/fixtures/packs, which were made when packs had format 2. */
import { type ExportedParameters, exportedForestBytes, type ExportedTree } from './exported-models.ts';
import { forestBytes, type Tree } from './forest-models.ts';

export const OLD_FEATURES = ['mean', 'max'];
const FORESTS = 3;
const DEPTH = 4;

/** A number from -1 to 1 for each node, the same ones every time. */
const numberAt = (i: number): number => Math.imul(i, 0x9e37_79b1) / 2 ** 31;

/** Leaves are at some depth from the second on. */
function grown<Leaf, Inner>(
  seed: number,
  depth: number,
  leaf: (seed: number, depth: number) => Leaf,
  inner: (seed: number, sides: readonly [Leaf | Inner, Leaf | Inner]) => Inner,
): Leaf | Inner {
  if (depth === DEPTH || (depth > 1 && numberAt(seed) > 0.4)) return leaf(seed, depth);
  const side = (at: number): Leaf | Inner => grown(2 * seed + at, depth + 1, leaf, inner);
  return inner(seed, [side(0), side(1)]);
}

const seeds = Array.from({ length: FORESTS }, (_, i) => [11 + i, 31 + i, 53 + i]);

export const oldForests = (): Uint8Array[] =>
  seeds.map((trees, i) =>
    forestBytes(
      {
        width: 2,
        trees: trees.map((seed) =>
          grown<number, Tree>(
            seed,
            0,
            (at, depth) => depth + Math.abs(numberAt(at)),
            (at, sides) => ({ feature: at % 2, split: numberAt(at + 7) * 2, sides }),
          ),
        ),
        scaling: [
          { op: 'Sub', values: Float64Array.of(20 + i, 1) },
          { op: 'Div', values: Float64Array.of(2.5, 0.3) },
        ],
        divisor: 9.7,
        offset: -0.6 + i / 100,
      },
      OLD_FEATURES,
    ),
  );

export const oldExports = (): Uint8Array[] =>
  seeds.map((trees, i) =>
    exportedForestBytes(
      {
        width: 2,
        trees: trees.map((seed) =>
          grown<ExportedTree, ExportedTree>(
            seed,
            0,
            (at) => ({ rows: 1 + Math.floor(Math.abs(numberAt(at)) * 90) }),
            (at, sides) => ({ feature: at % 2, split: Math.fround(20 + numberAt(at + 7) * 5), sides }),
          ),
        ),
        divisor: 9.7,
        offset: 0.5 + i / 100,
      } satisfies ExportedParameters,
      OLD_FEATURES,
    ),
  );
