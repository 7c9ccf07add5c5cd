/** What `models convert` makes of every kind says what the kind's own library says (kinds/make.py makes them). */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareKinds, libraries, type Compared } from './kinds/kinds.ts';

/** Enough to reach every operator; `npm run bench -- --kinds` has the full sizes. */
const SIZES = { rows: 400, train: 240, trees: 20 };
const scratch = mkdtempSync(join(tmpdir(), 'fleetscore-kinds-'));
let compared: readonly Compared[] | undefined;

beforeAll(async () => {
  const packages = libraries();
  if (packages !== undefined) compared = await compareKinds(scratch, SIZES, packages);
}, 900_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Neighbours that are equally near: the converter says so, and others are compared strictly. */
const isTied = ({ note }: Compared): boolean => note !== undefined;

test('every kind is converted, from every form of file', () => {
  if (!compared) return;
  expect(compared.filter(({ refused }) => refused !== undefined)).toEqual([]);
  expect(compared.length).toBeGreaterThan(290);
});

test('no label differs from the one of the library, on continuous and on rounded rows', () => {
  if (!compared) return;
  const differing = compared.filter((one) => one.differ > 0 && !isTied(one));
  expect(differing).toEqual([]);
  // The rows hold both kinds, or nothing would be shown.
  expect(compared.filter(({ anomalies, rows }) => anomalies > 0 && anomalies < rows).length).toBeGreaterThan(260);
});

test('scores are those of the library to the last digits of a double', () => {
  if (!compared) return;
  // scikit-learn's own trees lose digits of densities far from all training rows (docs/models.md).
  const strict = compared.filter((one) => !isTied(one) && !/^KernelDensity|^PyOD KDE/.test(one.kind));
  expect(strict.filter(({ worst }) => !(worst < 1e-9))).toEqual([]);
});

test('packs say what the models say alone: every label, and every score to its last bit', () => {
  if (!compared) return;
  expect(compared.filter(({ otherInPack }) => otherInPack > 0)).toEqual([]);
  const alone = compared.filter(({ way }) => way === undefined).map(({ kind, features }) => `${kind}, ${features}`);
  // A model has more nodes or values a row than a pack takes: the quantiles, products or bins of 12 features, beside
  // support vectors of which other versions of the library find a few more or less.
  expect(alone).toContain('QuantileTransformer normal, OneClassSVM rbf, 12');
  const large = /^(QuantileTransformer .*|PolynomialFeatures, .*|KBinsDiscretizer, .*), 12$/;
  // Packs of forests take scalers before them, and values that are never missing.
  const behind = /^(FunctionTransformer sqrt|Normalizer l1|KBinsDiscretizer ordinal), IsolationForest, /;
  expect(alone.filter((name) => !large.test(name) && !behind.test(name))).toEqual([]);
});

test('a LocalOutlierFactor of rounded readings says that ties may be broken otherwise', () => {
  if (!compared) return;
  const noted = compared.filter(isTied);
  expect(noted.map(({ note }) => note)).toEqual(noted.map(() => expect.stringContaining('equally near')));
  expect(noted.every(({ kind }) => kind.includes('LocalOutlierFactor') || kind === 'PyOD LOF')).toBe(true);
  expect(noted.length).toBeGreaterThan(0);
});
