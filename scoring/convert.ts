/**
 * Converts models of scikit-learn and PyOD to ONNX with scoring/python/convert.py, in a Python of our own. A file
 * that cannot be converted is a line of the summary, never an error: the others are converted all the same.
 */
import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { FleetscoreError } from '../domain/errors.ts';
import { parseFeatures } from './features.ts';
import { modelsFurtherDown } from './model-folders.ts';
import { discardPython, ensurePython, type PythonEnv } from './python-env.ts';

/** What became of one model; a file with a dict of models by sensor has several. */
export type ConvertedModel =
  | {
      readonly file: string;
      readonly ok: true;
      readonly device: string;
      readonly sensor: string;
      /** Its steps, such as `StandardScaler, OneClassSVM(rbf)`. */
      readonly kind: string;
      /** Name of the ONNX file in the output folder. */
      readonly output: string;
      /** Of the ONNX file, hexadecimal. */
      readonly sha256: string;
      readonly bytes: number;
      /** Support vectors, trees or training rows in it; 0 where it has none of these. */
      readonly size: number;
      readonly features: readonly string[];
      /** Where its labels may differ from those of its library; absent where they do not. */
      readonly note?: string;
    }
  | { readonly file: string; readonly ok: false; readonly error: string };

export interface ConvertSummary {
  /** By file name. */
  readonly models: readonly ConvertedModel[];
  /** Files that are no models by their names, or that a `manifest.csv` does not list. */
  readonly ignored: readonly string[];
}

export interface ConvertOptions {
  /** Where the converter's Python packages are kept; made when it is not there. */
  readonly toolsDir: string;
  /** Features of models that do not say which, in the order of their columns, such as `mean` and `max[-1]`. */
  readonly features?: readonly string[];
  /** A line for people, now and then. */
  readonly log?: (line: string) => void;
}

/** A line of convert.py. */
type Line = ConvertedModel | { readonly ignored: string } | { readonly done: true };

interface Conversion extends ConvertSummary {
  readonly done: boolean;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** convert.py's exit code when its packages are not there. */
const PACKAGES_MISSING = 3;

/**
 * Converts the model files of a folder to ONNX files in another, which is made when it is not there: files named
 * `model_<device>_<sensor>`, or all that its `manifest.csv` lists, or dicts of models by sensor. A `manifest.csv` is
 * written beside them where their names would not say which sensor they are for.
 * @throws FleetscoreError `CONVERT_NO_FOLDER`, `CONVERT_NO_MODELS`, `CONVERT_FAILED`, and those of ensurePython
 */
export async function convertModels(dir: string, outDir: string, options: ConvertOptions): Promise<ConvertSummary> {
  const { toolsDir, features = [], log = () => undefined } = options;
  const unknown = features.find((name) => typeof parseFeatures(JSON.stringify([name])) === 'string');
  if (unknown !== undefined)
    throw new FleetscoreError(
      'CONVERT_INVALID_FEATURES',
      `${JSON.stringify(unknown)} is not a feature of a window. ` +
        'Use mean, min, max, last or count, or one of an earlier window such as mean[-1].',
    );
  const found = await stat(dir).catch(() => undefined);
  if (!found?.isDirectory())
    throw new FleetscoreError(
      'CONVERT_NO_FOLDER',
      `${dir} is not a folder. Give the folder that holds the models, named model_<device>_<sensor>.`,
    );

  const requirements = fileURLToPath(new URL('./python/requirements.txt', import.meta.url));
  let python = await ensurePython(toolsDir, requirements, log);
  let conversion = await convert(python, [dir, outDir, features.join()], log);
  if (conversion.exitCode === PACKAGES_MISSING) {
    log(`the packages in ${python.dir} are damaged: installing them again`);
    await discardPython(python);
    python = await ensurePython(toolsDir, requirements, log);
    conversion = await convert(python, [dir, outDir, features.join()], log);
  }
  const { models, ignored, done, exitCode, signal, stderr } = conversion;
  if (!done)
    throw new FleetscoreError(
      'CONVERT_FAILED',
      `the converter ended early (${signal ?? `exit code ${exitCode}`}) after ${models.length} files: ` +
        `${stderr.trim().split('\n').at(-1) || 'it said nothing'}. Files converted so far are in ${outDir}.`,
    );
  if (models.length === 0)
    throw new FleetscoreError(
      'CONVERT_NO_MODELS',
      `${dir} has no model files: pickle, joblib or skops, named model_<device>_<sensor> or listed in a ` +
        `manifest.csv with the columns Device,Sensor,Model.${await modelsFurtherDown(dir, MODEL_FILE)}`,
    );
  return { models, ignored };
}

/** What `sources.py` takes for a model in a folder without a manifest.csv. */
const MODEL_FILE = /^model_|\.(pkl|pickle|joblib|jl|sav|skops|p|dat|gz|z|bz2|xz|lzma|zlib)$/i;

async function convert(python: PythonEnv, args: readonly string[], log: (line: string) => void): Promise<Conversion> {
  const script = fileURLToPath(new URL('./python/convert.py', import.meta.url));
  const child = spawn(python.command, [script, ...args], {
    env: python.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  const ended = new Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.on('close', (exitCode, signal) => resolve({ exitCode, signal }));
    // A Python that cannot even be started (moved, removed) is treated as one without its packages.
    child.on('error', () => resolve({ exitCode: PACKAGES_MISSING, signal: null }));
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-4_000)));
  const models: ConvertedModel[] = [];
  const ignored: string[] = [];
  let done = false;
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as Line;
    if ('done' in line) done = true;
    else if ('ignored' in line) ignored.push(line.ignored);
    else {
      models.push(line);
      if (models.length % 1_000 === 0) log(`${models.length} files read`);
    }
  }
  return { models, ignored, done, stderr, ...(await ended) };
}
