/**
 * Models of every kind, converted and scored, against what their own libraries say of the same rows; and in packs,
 * against what the models say alone.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defined } from '../../../domain/defined.ts';
import { convertModels } from '../../../scoring/convert.ts';
import { decodeModel } from '../../../scoring/onnx-proto.ts';
import { fusable } from '../../../scoring/packs/kinds.ts';
import { CONVERTER_TOOLS, pythonPackages } from '../../support/python-packages.ts';
import { openRunner, type Runner } from './runner.ts';

export interface Case {
  readonly name: string;
  readonly kind: string;
  readonly features: number;
  /** Whether it was trained on rounded readings. */
  readonly rounded: boolean;
  readonly rows: number;
  readonly file: string;
}

/** What a converted model says, beside its library. */
export interface Compared extends Case {
  /** Absent when it was converted. */
  readonly refused?: string;
  /** What the converter says of its labels. */
  readonly note?: string;
  /** Kind of the packs that it goes into; absent: it runs by itself. */
  readonly way?: string;
  /** Rows whose label differs. */
  readonly differ: number;
  /** Largest difference of scores. */
  readonly worst: number;
  /** Rows that the library calls anomalies. */
  readonly anomalies: number;
  /** Rows whose label or score, to the last bit, is another one in the pack. */
  readonly otherInPack: number;
  /** Rows a second of CPU in a fleet of such models with 15 windows each, where that was asked for. */
  readonly alonePerSecond?: number;
  readonly packedPerSecond?: number;
}

export interface Sizes {
  /** Scored by each model: half continuous, half rounded. */
  readonly rows: number;
  /** Fitted. */
  readonly train: number;
  readonly trees: number;
  /** Kinds whose names have one of these in them. Default all. */
  readonly only?: readonly string[];
  readonly fleet?: TimedFleet;
}

/** Sensors with 15 windows each. */
export interface TimedFleet {
  readonly sensors: number;
  /** CPU of this process and of those that run models for it, so far. */
  readonly cpuSeconds: () => number;
}

/** Rows are scored in parts, so that rows x training rows stay bounded. */
const ROWS_PER_RUN = 8_192;
const WINDOWS = 15;
/** The best of them counts. */
const ROUNDS = 3;

/** A folder for PYTHONPATH with scikit-learn and PyOD; undefined where they cannot be installed. */
export function libraries(): string | undefined {
  const requirements = readFileSync(new URL('./requirements.txt', import.meta.url), 'utf8').split('\n');
  const packages = requirements.filter((line) => line !== '' && !line.startsWith('#'));
  return pythonPackages('The comparison with scikit-learn and PyOD', packages, true);
}

/** Makes the models of make.py in `dir`, converts them, and compares rows of each. */
export async function compareKinds(
  dir: string,
  { rows, train, trees, only = [], fleet }: Sizes,
  packages: string,
): Promise<readonly Compared[]> {
  const script = fileURLToPath(new URL('./make.py', import.meta.url));
  execFileSync('python3', [script, dir, ...[rows, train, trees].map(String), ...only], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Threads of OpenMP and BLAS that wait for each other cost more than these small models gain.
    env: { ...process.env, PYTHONPATH: packages, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' },
  });
  const out = join(dir, 'onnx');
  const { models } = await convertModels(join(dir, 'models'), out, { toolsDir: CONVERTER_TOOLS });
  const runner = openRunner();
  try {
    const compared: Compared[] = [];
    for (const one of JSON.parse(readFileSync(join(dir, 'cases.json'), 'utf8')) as Case[]) {
      const model = models.find(({ file }) => file === one.file);
      const none = { ...one, differ: 0, worst: 0, anomalies: 0, otherInPack: 0 };
      if (!model?.ok) compared.push({ ...none, refused: model?.error ?? 'not in the summary' });
      else {
        const bytes = readFileSync(join(out, model.output));
        const table = tableOf(join(dir, `${one.name}.f64`));
        const way = fusable(decodeModel(bytes))?.fuser.kind;
        compared.push({
          ...none,
          ...defined({ note: model.note, way }),
          ...(await compare(one, table, bytes, runner)),
          ...(fleet === undefined ? {} : await rates(one, table, bytes, fleet, runner)),
        });
      }
    }
    return compared;
  } finally {
    await runner.close();
  }
}

function tableOf(file: string): Float64Array {
  const bytes = readFileSync(file);
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** The features of some rows of a table whose rows end with a label and a score. */
function featuresOf(table: Float64Array, features: number, from: number, count: number): Float64Array {
  const values = new Float64Array(count * features);
  for (let row = 0; row < count; row++)
    values.set(table.subarray((from + row) * (features + 2)).subarray(0, features), row * features);
  return values;
}

async function compare(
  { features, rows }: Case,
  table: Float64Array,
  model: Uint8Array,
  runner: Runner,
): Promise<Pick<Compared, 'differ' | 'worst' | 'anomalies' | 'otherInPack'>> {
  let [differ, worst, anomalies, otherInPack] = [0, 0, 0, 0];
  const pack = await runner.packOf(model, features, 1);
  for (let from = 0; from < rows; from += ROWS_PER_RUN) {
    const count = Math.min(ROWS_PER_RUN, rows - from);
    const values = featuresOf(table, features, from, count);
    const alone = await runner.alone(model, values, features);
    const packed = pack && (await runner.packed(pack, new Int32Array(count), values));
    for (let i = 0; i < count; i++) {
      const at = (from + i) * (features + 2) + features;
      const label = alone.anomaly[i] === 1 ? -1 : 1;
      if (table[at] !== label) differ++;
      if (table[at] !== 1) anomalies++;
      // A density of 0 has no logarithm; the converted model has a number far below any threshold.
      if (table[at + 1] !== Number.NEGATIVE_INFINITY)
        worst = Math.max(worst, Math.abs(alone.score[i]! - table[at + 1]!));
      if (packed && !(packed.anomaly[i] === alone.anomaly[i] && Object.is(packed.score[i], alone.score[i])))
        otherInPack++;
    }
  }
  return { differ, worst, anomalies, otherInPack };
}

/** A fleet whose sensors have this model each: what a row costs with a session of their own, and in a pack. */
async function rates(
  { features, rows }: Case,
  table: Float64Array,
  model: Uint8Array,
  { sensors, cpuSeconds }: TimedFleet,
  runner: Runner,
): Promise<Pick<Compared, 'alonePerSecond' | 'packedPerSecond'>> {
  const windows = Math.min(WINDOWS, rows);
  const few = featuresOf(table, features, 0, windows);
  const all = new Float64Array(sensors * few.length);
  for (let i = 0; i < sensors; i++) all.set(few, i * few.length);
  const count = sensors * windows;
  const perSecond = async (work: () => Promise<unknown>): Promise<number> => {
    await work(); // loads
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < ROUNDS; round++) {
      const before = cpuSeconds();
      await work();
      best = Math.min(best, cpuSeconds() - before);
    }
    return Math.round(count / best);
  };
  const alone = await perSecond(() => runner.fleetAlone(model, sensors, few, features));
  const pack = await runner.packOf(model, features, sensors);
  const index = Int32Array.from({ length: count }, (_, row) => Math.floor(row / windows));
  const packed = pack && (await perSecond(() => runner.packed(pack, index, all)));
  return defined({ alonePerSecond: alone, packedPerSecond: packed });
}
