/**
 * Converts scikit-learn pickles to ONNX with scoring/python/convert.py, in a Python of our own. A pickle that
 * cannot be converted is a line of the summary, never an error: the others are converted all the same.
 */
import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { FleetscoreError } from '../domain/errors.ts';
import { discardPython, ensurePython, type PythonEnv } from './python-env.ts';

/** What became of one pickle. */
export type ConvertedModel =
  | {
      readonly file: string;
      readonly ok: true;
      /** Name of the ONNX file in the output folder. */
      readonly output: string;
      /** Of the ONNX file, hexadecimal. */
      readonly sha256: string;
      readonly bytes: number;
      readonly supportVectors: number;
      readonly features: readonly string[];
    }
  | { readonly file: string; readonly ok: false; readonly error: string };

export interface ConvertSummary {
  /** By file name. */
  readonly models: readonly ConvertedModel[];
  /** Files whose names do not start with `model_`, or end with `.onnx`. */
  readonly ignored: readonly string[];
}

export interface ConvertOptions {
  /** Where the converter's Python packages are kept; made when it is not there. */
  readonly toolsDir: string;
  /** A line for people, now and then. */
  readonly log?: (line: string) => void;
}

/** A line of convert.py. */
type Line =
  | {
      readonly file: string;
      readonly ok: true;
      readonly output: string;
      readonly sha256: string;
      readonly bytes: number;
      readonly support_vectors: number;
      readonly features: readonly string[];
    }
  | { readonly file: string; readonly ok: false; readonly error: string }
  | { readonly ignored: string }
  | { readonly done: true };

interface Conversion extends ConvertSummary {
  readonly done: boolean;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** convert.py's exit code when its packages are not there. */
const PACKAGES_MISSING = 3;

/**
 * Converts the files `model_<device>_<sensor>` (also with .pkl or .pickle) of a folder to
 * `model_<device>_<sensor>.onnx` in another, which is made when it is not there.
 * @throws FleetscoreError `CONVERT_NO_FOLDER`, `CONVERT_NO_MODELS`, `CONVERT_FAILED`, and those of ensurePython
 */
export async function convertModels(dir: string, outDir: string, options: ConvertOptions): Promise<ConvertSummary> {
  const { toolsDir, log = () => undefined } = options;
  const found = await stat(dir).catch(() => undefined);
  if (!found?.isDirectory())
    throw new FleetscoreError(
      'CONVERT_NO_FOLDER',
      `${dir} is not a folder. Give the folder that holds the pickles, named model_<device>_<sensor>.`,
    );

  const requirements = fileURLToPath(new URL('./python/requirements.txt', import.meta.url));
  let python = await ensurePython(toolsDir, requirements, log);
  let conversion = await convert(python, dir, outDir, log);
  if (conversion.exitCode === PACKAGES_MISSING) {
    log(`the packages in ${python.dir} are damaged: installing them again`);
    await discardPython(python);
    python = await ensurePython(toolsDir, requirements, log);
    conversion = await convert(python, dir, outDir, log);
  }
  const { models, ignored, done, exitCode, signal, stderr } = conversion;
  if (!done)
    throw new FleetscoreError(
      'CONVERT_FAILED',
      `the converter ended early (${signal ?? `exit code ${exitCode}`}) after ${models.length} files: ${stderr.trim().split('\n').at(-1) || 'it said nothing'}. Files converted so far are in ${outDir}.`,
    );
  if (models.length === 0)
    throw new FleetscoreError(
      'CONVERT_NO_MODELS',
      `${dir} has no file named model_<device>_<sensor> (optionally .pkl or .pickle).`,
    );
  return { models, ignored };
}

async function convert(
  python: PythonEnv,
  dir: string,
  outDir: string,
  log: (line: string) => void,
): Promise<Conversion> {
  const script = fileURLToPath(new URL('./python/convert.py', import.meta.url));
  const child = spawn(python.command, [script, dir, outDir], {
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
      models.push(modelOf(line));
      if (models.length % 1_000 === 0) log(`${models.length} files read`);
    }
  }
  return { models, ignored, done, stderr, ...(await ended) };
}

function modelOf(line: Extract<Line, { readonly file: string }>): ConvertedModel {
  if (!line.ok) return { file: line.file, ok: false, error: line.error };
  const { file, output, sha256, bytes, features } = line;
  return { file, ok: true, output, sha256, bytes, supportVectors: line.support_vectors, features };
}
