/**
 * The trees of the forests of a pack as they lie in its file, behind the graph: arrays one behind the other, each at a
 * multiple of eight bytes, so that they are read where they are. They are the value of a field of the ONNX file that no
 * version of ONNX has, which readers of ONNX skip.
 */
import { modelError } from '../model-problem.ts';
import type { Trees } from './forest-trees.ts';
import { SCALING, type Scaling } from './probe-rows.ts';

/** The trees of a forest and what is done to features before. */
export interface ScaledTrees {
  readonly width: number;
  readonly scaling: readonly Scaling[];
  readonly trees: Trees;
}

/** What the metadata of a pack say of its trees. */
export interface TreesHeader {
  readonly forests: number;
  /** Of each forest. */
  readonly trees: number;
  readonly width: number;
  readonly scaling: readonly Scaling['op'][];
  /** Whether scalers and sums are in single precision. */
  readonly isSingle: boolean;
  /** Bytes of the number of a leaf among those of its forest. */
  readonly codeBytes: 1 | 2;
  /** Of all forests: nodes that split, bytes of {@link PackedTrees.shape}, distinct leaves of each. */
  readonly splits: number;
  readonly shape: number;
  readonly leaves: number;
}

/** As {@link Trees} has them, forest by forest. */
export interface PackedTrees {
  /** Numbers of the scalers, [forests, scaling, width]. */
  readonly scales: Float64Array;
  readonly splits: Float32Array;
  /** Distinct leaves of each forest. */
  readonly leafCounts: Uint32Array;
  /** Of each distinct leaf of a forest its number among those of the pack. */
  readonly leaves: Uint16Array;
  readonly counts: Uint16Array;
  readonly shape: Uint8Array;
  /** None where there is a single feature. */
  readonly features: Uint8Array;
  readonly codes: Uint8Array | Uint16Array;
}

/** Arrays of {@link PackedTrees} in the order of the file, and how many numbers each has. */
const ARRAYS = (header: TreesHeader) => {
  const { forests, trees, width, scaling, splits } = header;
  const codes = splits + forests * trees;
  return [
    ['scales', Float64Array, forests * scaling.length * width],
    ['splits', Float32Array, splits],
    ['leafCounts', Uint32Array, forests],
    ['leaves', Uint16Array, header.leaves],
    ['counts', Uint16Array, forests * trees],
    ['shape', Uint8Array, header.shape],
    ['features', Uint8Array, width === 1 ? 0 : splits],
    ['codes', header.codeBytes === 1 ? Uint8Array : Uint16Array, codes],
  ] as const;
};

const UNIT = 8;
const wholeUnits = (bytes: number): number => Math.ceil(bytes / UNIT) * UNIT;

/** The arrays over a memory. @param at where they begin, a multiple of eight */
function arraysOver(header: TreesHeader, memory: ArrayBufferLike, at: number): PackedTrees {
  let from = at;
  return Object.fromEntries(
    ARRAYS(header).map(([name, type, length]) => {
      const array = new type(memory as ArrayBuffer, from, length);
      from += wholeUnits(array.byteLength);
      return [name, array];
    }),
  ) as unknown as PackedTrees;
}

const sizeOf = (header: TreesHeader): number =>
  ARRAYS(header).reduce((sum, [, type, length]) => sum + wholeUnits(length * type.BYTES_PER_ELEMENT), 0);

/** Bytes of a forest in a pack. */
export const packedBytes = ({ width, scaling, trees }: ScaledTrees): number =>
  8 * scaling.length * width +
  4 * trees.splits.length +
  (width === 1 ? 0 : trees.features.length) +
  codeBytesOf(trees.leaves.length) * trees.codes.length +
  trees.shape.length +
  2 * (trees.counts.length + trees.leaves.length) +
  4;

export const codeBytesOf = (leaves: number): 1 | 2 => (leaves <= 256 ? 1 : 2);

/**
 * @param isSingle whether they are scaled, and their depths added, in single precision
 * @param numbers of the leaves of the pack, by value
 */
export function packTrees(
  forests: readonly ScaledTrees[],
  isSingle: boolean,
  numbers: ReadonlyMap<number, number>,
): { readonly header: TreesHeader; readonly bytes: Uint8Array } {
  const [{ width, scaling, trees: first }] = forests as readonly [ScaledTrees, ...ScaledTrees[]];
  const sum = (of: (forest: ScaledTrees) => number): number => forests.reduce((all, forest) => all + of(forest), 0);
  const header: TreesHeader = {
    forests: forests.length,
    trees: first.counts.length,
    width,
    scaling: scaling.map(({ op }) => op),
    isSingle,
    codeBytes: codeBytesOf(first.leaves.length),
    splits: sum(({ trees }) => trees.splits.length),
    shape: sum(({ trees }) => trees.shape.length),
    leaves: sum(({ trees }) => trees.leaves.length),
  };
  const bytes = new Uint8Array(sizeOf(header));
  const to = arraysOver(header, bytes.buffer, 0);
  const at = { splits: 0, leaves: 0, shape: 0, codes: 0 };
  for (const [i, { scaling: scales, trees }] of forests.entries()) {
    for (const [k, { values }] of scales.entries()) to.scales.set(values, (i * scales.length + k) * width);
    to.splits.set(trees.splits, at.splits);
    if (width > 1) to.features.set(trees.features, at.splits);
    to.leafCounts[i] = trees.leaves.length;
    to.leaves.set(
      Uint16Array.from(trees.leaves, (leaf) => numbers.get(leaf)!),
      at.leaves,
    );
    to.counts.set(trees.counts, i * trees.counts.length);
    to.shape.set(trees.shape, at.shape);
    to.codes.set(trees.codes, at.codes);
    for (const name of ['splits', 'leaves', 'shape', 'codes'] as const) at[name] += trees[name].length;
  }
  return { header, bytes };
}

/** Number and wire type of a field that ONNX does not have, of bytes: 1000 and 2, as a varint. */
const FIELD = [0xc2, 0x3e];
const LENGTH_BYTES = 5;
/** Bytes before and behind the arrays, of which those before have the field's number and length. */
const AROUND = 24;
const arraysAt = (graph: number): number => wholeUnits(graph + AROUND - UNIT);

/** The file of a pack. @param graph the file without its trees */
export function withTrees(graph: Uint8Array, trees: Uint8Array): Uint8Array {
  const file = new Uint8Array(graph.length + AROUND + trees.length);
  file.set(graph);
  const length = AROUND + trees.length - FIELD.length - LENGTH_BYTES;
  // A varint of always as many bytes: a shorter one would change the length that it tells.
  const varint = [0, 7, 14, 21, 28].map((bit, i) => ((length >>> bit) & 127) | (i < LENGTH_BYTES - 1 ? 128 : 0));
  file.set([...FIELD, ...varint], graph.length);
  file.set(trees, arraysAt(graph.length));
  return file;
}

/** @throws FleetscoreError `MODEL_CORRUPT` where the file is shorter than its trees */
export function splitTrees(
  file: Uint8Array,
  header: TreesHeader,
): { readonly graph: Uint8Array; readonly trees: PackedTrees } {
  const length = file.length - AROUND - sizeOf(header);
  if (!(length > 0)) throw modelError('model_corrupt', 'not a pack: its trees are missing or damaged');
  const at = arraysAt(length);
  // Where it does not lie at a multiple of eight, a copy does.
  const own = file.byteOffset % UNIT === 0 ? file : Uint8Array.from(file);
  return { graph: own.subarray(0, length), trees: arraysOver(header, own.buffer, own.byteOffset + at) };
}

/** What the metadata of a pack say of its trees; undefined where that is not of this form. */
export function treesHeader(text: string): TreesHeader | undefined {
  const header = JSON.parse(text) as TreesHeader;
  const counts = [header.forests, header.trees, header.width, header.splits, header.shape, header.leaves];
  const isSound =
    counts.every((count) => Number.isSafeInteger(count) && count > 0) &&
    (header.codeBytes === 1 || header.codeBytes === 2) &&
    typeof header.isSingle === 'boolean' &&
    Array.isArray(header.scaling) &&
    header.scaling.every((op) => SCALING.includes(op));
  return isSound ? header : undefined;
}
