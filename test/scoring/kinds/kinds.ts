/** Models of every kind, converted and scored, against what their own libraries say of the same rows. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { defined } from '../../../domain/defined.ts';
import { convertModels } from '../../../scoring/convert.ts';
import { openScorer } from '../../samples/scored.ts';
import { pythonPackages } from '../../support/python-packages.ts';

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
  /** Rows whose label differs. */
  readonly differ: number;
  /** Largest difference of scores. */
  readonly worst: number;
  /** Rows that the library calls anomalies. */
  readonly anomalies: number;
}

/** Rows are scored in parts, so that rows x training rows stay bounded. */
const ROWS_PER_RUN = 8_192;

/** A folder for PYTHONPATH with scikit-learn and PyOD; undefined where they cannot be installed. */
export function libraries(): string | undefined {
  const requirements = readFileSync(new URL('./requirements.txt', import.meta.url), 'utf8').split('\n');
  const packages = requirements.filter((line) => line !== '' && !line.startsWith('#'));
  return pythonPackages('The comparison with scikit-learn and PyOD', packages, true);
}

/** Makes the models of make.py in `dir`, converts them, and compares `rows` rows of each. */
export async function compareKinds(
  dir: string,
  rows: number,
  packages: string,
  toolsDir: string,
): Promise<readonly Compared[]> {
  const script = fileURLToPath(new URL('./make.py', import.meta.url));
  execFileSync('python3', [script, dir, String(rows)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Threads of OpenMP and BLAS that wait for each other cost more than these small models gain.
    env: { ...process.env, PYTHONPATH: packages, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' },
  });
  const out = join(dir, 'onnx');
  const { models } = await convertModels(join(dir, 'models'), out, { toolsDir });
  const scorer = openScorer();
  try {
    const compared: Compared[] = [];
    for (const one of JSON.parse(readFileSync(join(dir, 'cases.json'), 'utf8')) as Case[]) {
      const model = models.find(({ file }) => file === one.file);
      const none = { ...one, differ: 0, worst: 0, anomalies: 0 };
      if (!model?.ok) compared.push({ ...none, refused: model?.error ?? 'not in the summary' });
      else
        compared.push({
          ...none,
          ...defined({ note: model.note }),
          ...(await compare(one, join(dir, `${one.name}.f64`), join(out, model.output), scorer)),
        });
    }
    return compared;
  } finally {
    await scorer.close();
  }
}

async function compare(
  { features, rows }: Case,
  expected: string,
  model: string,
  scorer: ReturnType<typeof openScorer>,
): Promise<Pick<Compared, 'differ' | 'worst' | 'anomalies'>> {
  const bytes = readFileSync(expected);
  const table = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const width = features + 2;
  let [differ, worst, anomalies] = [0, 0, 0];
  for (let from = 0; from < rows; from += ROWS_PER_RUN) {
    const count = Math.min(ROWS_PER_RUN, rows - from);
    const values: number[] = [];
    for (let row = from; row < from + count; row++)
      for (let at = 0; at < features; at++) values.push(table[row * width + at]!);
    const { labels, scores } = await scorer.score(pathToFileURL(model), values, features);
    for (let i = 0; i < count; i++) {
      const at = (from + i) * width + features;
      if (table[at] !== labels[i]) differ++;
      if (table[at] !== 1) anomalies++;
      worst = Math.max(worst, Math.abs(scores[i]! - table[at + 1]!));
    }
  }
  return { differ, worst, anomalies };
}
