/**
 * Which model belongs to which sensor, from a folder: `manifest.csv` when there is one, otherwise the names
 * `model_<device>_<sensor>.onnx`. A name that could be read in two ways is refused, never guessed.
 */
import { readdir, readFile, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { parse } from 'csv-parse/sync';
import { defined } from '../domain/defined.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { poolUnknown } from '../domain/queues.ts';
import { keyOf, nameProblem, type SensorKey } from '../domain/sensor.ts';
import { parseThreshold, type Threshold, THRESHOLD_FORM } from '../domain/threshold.ts';
import { parseFeatures } from './features.ts';
import { modelsFurtherDown } from './model-folders.ts';
import type { Declared } from './model-metadata.ts';
import { readWindow } from './own-window.ts';

export const MANIFEST = 'manifest.csv';
const HEADER = ['Device', 'Sensor', 'Model'];
/**
 * Columns that may follow, each empty where there is nothing to say: the pool of workers that the model needs, the
 * features of its columns or inputs, what its label means, a threshold on its score that decides instead of its label,
 * and the length of the windows that it looks at.
 */
const MORE = ['Pool', 'Features', 'Label', 'Threshold', 'Window'];
const NO_FOLDER: Readonly<Record<string, string>> = { ENOENT: 'there is no such folder', ENOTDIR: 'it is a file' };
/** Problems shown at a time. */
const SHOWN = 20;

export interface ModelEntry extends SensorKey {
  /** Relative to the folder. */
  readonly file: string;
  readonly path: string;
  /** Pool that it is to be scored in; the default one when absent. */
  readonly pool?: string;
  readonly declared: Declared;
  /** Decides what an anomaly is, instead of the model's label. */
  readonly threshold?: Threshold;
  /** Length of the windows that it looks at, ms; the fleet's when absent. */
  readonly windowMs?: number;
}

/** What is said for all models of a folder where its manifest says nothing. */
export type EntryDefaults = Pick<ModelEntry, 'threshold' | 'windowMs'> & Declared;

/**
 * @param pools names of the pools there are; a model may name no other
 * @param defaults for models of which the manifest says nothing else
 * @throws FleetscoreError `INVALID_MODEL_LIST` that names every wrong line or file
 */
export async function readModelList(
  dir: string,
  pools: ReadonlySet<string> = new Set(),
  defaults: EntryDefaults = {},
): Promise<ModelEntry[]> {
  let names: string[];
  try {
    names = await readdir(dir);
  } catch (error) {
    const why = NO_FOLDER[(error as NodeJS.ErrnoException).code ?? ''] ?? messageOf(error);
    throw new FleetscoreError(
      'INVALID_MODEL_LIST',
      `the folder ${dir} cannot be read: ${why}. Give the folder that holds the models, named ` +
        'model_<device>_<sensor>.onnx.',
      { cause: error },
    );
  }
  const problems: string[] = [];
  const found = names.includes(MANIFEST)
    ? fromManifest(dir, await readFile(join(dir, MANIFEST)), pools, problems)
    : fromNames(dir, names, problems);
  const { threshold, windowMs, ...declared } = defaults;
  const entries = found.map((entry) => ({
    ...defined({ threshold, windowMs }),
    ...entry,
    declared: { ...declared, ...entry.declared },
  }));
  problems.push(...(await leadingOut(dir, entries)));
  if (problems.length > 0) {
    const more = problems.length > SHOWN ? [`and ${problems.length - SHOWN} more`] : [];
    throw new FleetscoreError(
      'INVALID_MODEL_LIST',
      `the models in ${dir} cannot be told apart:\n` +
        [...problems.slice(0, SHOWN), ...more].map((p) => `  ${p}`).join('\n'),
    );
  }
  if (entries.length === 0)
    throw new FleetscoreError(
      'INVALID_MODEL_LIST',
      `there are no models in ${dir}. Put files model_<device>_<sensor>.onnx there, or a ${MANIFEST} with ` +
        `the columns ${HEADER.join(',')}.${await modelsFurtherDown(dir, /\.onnx$/i)}`,
    );
  return entries;
}

/** Files that a symbolic link fetches from elsewhere: a folder of others must not choose which files are published. */
async function leadingOut(dir: string, entries: readonly ModelEntry[]): Promise<string[]> {
  const folder = await realpath(dir);
  const files = [...new Map(entries.map((entry) => [entry.file, entry.path]))];
  const outside = await Promise.all(
    files.map(async ([file, path]) => {
      // One that is not there is told where it is read.
      const target = await realpath(path).catch(() => undefined);
      return target === undefined || target.startsWith(join(folder, sep)) ? [] : [file];
    }),
  );
  return outside
    .flat()
    .map((file) => `${file}: it is a link to a file outside of the folder; put the model itself there`);
}

function fromManifest(dir: string, bytes: Buffer, pools: ReadonlySet<string>, problems: string[]): ModelEntry[] {
  let rows: readonly ManifestRow[];
  try {
    const options = { bom: true, info: true, relax_column_count: true, skip_empty_lines: true } as const;
    rows = parse(bytes, options) as unknown as readonly ManifestRow[];
  } catch (error) {
    problems.push(`${MANIFEST}: ${messageOf(error)}`);
    return [];
  }
  const [header, ...body] = rows;
  const columns = header?.record ?? [];
  const more = columns.slice(HEADER.length);
  if (
    columns.slice(0, HEADER.length).join() !== HEADER.join() ||
    new Set(more).size !== more.length ||
    !more.every((name) => MORE.includes(name))
  ) {
    const got = JSON.stringify(columns.join()).slice(0, 80);
    problems.push(
      `${MANIFEST} line 1: the header must be ${HEADER.join(',')}, and after these any of ${MORE.join(',')}; ` +
        `got ${got}`,
    );
    return [];
  }
  const entries: ModelEntry[] = [];
  const lines = new Map<string, number>();
  for (const { record, info } of body) {
    const [device = '', sensor = '', file = ''] = record;
    const entry = { device, sensor, file, path: resolve(dir, file) };
    const before = lines.get(keyOf(entry));
    const said = optionsOf(new Map(columns.map((name, at) => [name, record[at]?.trim() ?? ''])));
    const misfit = record.length !== columns.length && `has ${record.length} fields, expected ${columns.length}`;
    const unread = typeof said === 'string' && said;
    const whole = { ...entry, ...(typeof said === 'string' ? NOTHING_SAID : said) };
    const problem = misfit || unread || entryProblem(dir, whole, before, pools);
    if (problem === undefined) entries.push(whole);
    else problems.push(`${MANIFEST} line ${info.lines}: ${problem}`);
    lines.set(keyOf(entry), info.lines);
  }
  return entries;
}

const NOTHING_SAID = { declared: {} };

/** The columns that may be left out; or, in words, which of them cannot be read. */
function optionsOf(
  row: ReadonlyMap<string, string>,
): Pick<ModelEntry, 'pool' | 'declared' | 'threshold' | 'windowMs'> | string {
  const given = (name: string): string | undefined => row.get(name) || undefined;
  const [pool, label] = [given('Pool'), given('Label')];
  const features = readFeatureList(given('Features'));
  if (typeof features === 'string') return features;
  const threshold = readThreshold(given('Threshold'));
  if (typeof threshold === 'string') return threshold;
  const windowMs = readWindow(given('Window'));
  if (typeof windowMs === 'string') return windowMs;
  return { declared: defined({ features, label }), ...defined({ pool, threshold, windowMs }) };
}

/** Names of features divided by commas, semicolons or spaces; or, in words, what is wrong with them. */
export function readFeatureList(text: string | undefined): readonly string[] | string | undefined {
  if (text === undefined) return undefined;
  const parsed = parseFeatures(JSON.stringify(text.split(/[\s,;]+/).filter((name) => name !== '')));
  return typeof parsed === 'string'
    ? `the features ${JSON.stringify(text.slice(0, 80))}: ${parsed}`
    : parsed.map(({ name }) => name);
}

/** A threshold in its written form; or, in words, what is wrong with it. */
export function readThreshold(text: string | undefined): Threshold | string | undefined {
  if (text === undefined) return undefined;
  return (
    parseThreshold(text) ??
    `the threshold ${JSON.stringify(text.slice(0, 40))} does not say which side of it is an anomaly; ` +
      `write ${THRESHOLD_FORM}`
  );
}

interface ManifestRow {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** @param before line that has the same sensor already */
function entryProblem(
  dir: string,
  { device, sensor, file, path, pool }: Omit<ModelEntry, 'declared'>,
  before: number | undefined,
  pools: ReadonlySet<string>,
): string | undefined {
  const wrongName = nameProblem('device', device) ?? nameProblem('sensor', sensor);
  if (wrongName !== undefined) return wrongName;
  if (before !== undefined) return `sensor ${device} / ${sensor} is already in line ${before}`;
  if (file === '' || isAbsolute(file) || relative(dir, path).startsWith('..'))
    return `the model ${JSON.stringify(file)} must be the path of a file inside of the folder`;
  return pool === undefined || pools.has(pool) ? undefined : poolUnknown(pool, pools);
}

function fromNames(dir: string, names: readonly string[], problems: string[]): ModelEntry[] {
  const entries: ModelEntry[] = [];
  const byNumber = new Intl.Collator('en', { numeric: true });
  for (const file of names
    .filter((name) => name.toLowerCase().endsWith('.onnx'))
    .sort((a, b) => byNumber.compare(a, b) || (a < b ? -1 : 1))) {
    const parts = file.slice(0, -'.onnx'.length).split('_');
    const [prefix, device = '', sensor = ''] = parts;
    const underscores =
      parts.length > 3 && 'the name has more than two underscores, so device and sensor cannot be told apart';
    const form =
      (prefix !== 'model' || parts.length < 3 || !file.endsWith('.onnx')) &&
      'the name is not model_<device>_<sensor>.onnx';
    const problem = form || underscores || (nameProblem('device', device) ?? nameProblem('sensor', sensor));
    if (problem === undefined) entries.push({ device, sensor, file, path: resolve(dir, file), declared: {} });
    else
      problems.push(`${file}: ${problem}; rename it, or list it in a ${MANIFEST} with the columns ${HEADER.join(',')}`);
  }
  return entries;
}
