/**
 * Which model belongs to which sensor, from a folder: `manifest.csv` when there is one, otherwise the names
 * `model_<device>_<sensor>.onnx`. A name that could be read in two ways is refused, never guessed.
 */
import { readdir, readFile } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { parse } from 'csv-parse/sync';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { poolUnknown } from '../domain/queues.ts';
import { keyOf, nameProblem, type SensorKey } from '../domain/sensor.ts';

export const MANIFEST = 'manifest.csv';
const HEADER = ['Device', 'Sensor', 'Model'];
/** A fourth column may name the pool of workers that the model needs; empty for the default one. */
const POOL = 'Pool';
const NO_FOLDER: Readonly<Record<string, string>> = { ENOENT: 'there is no such folder', ENOTDIR: 'it is a file' };
/** Problems shown at a time. */
const SHOWN = 20;

export interface ModelEntry extends SensorKey {
  /** Relative to the folder. */
  readonly file: string;
  readonly path: string;
  /** Pool that it is to be scored in; the default one when absent. */
  readonly pool?: string;
}

/**
 * @param pools names of the pools there are; a model may name no other
 * @throws FleetscoreError `INVALID_MODEL_LIST` that names every wrong line or file
 */
export async function readModelList(dir: string, pools: ReadonlySet<string> = new Set()): Promise<ModelEntry[]> {
  let names: string[];
  try {
    names = await readdir(dir);
  } catch (error) {
    const why = NO_FOLDER[(error as NodeJS.ErrnoException).code ?? ''] ?? messageOf(error);
    throw new FleetscoreError(
      'INVALID_MODEL_LIST',
      `the folder ${dir} cannot be read: ${why}. Give the folder that holds the models, named model_<device>_<sensor>.onnx.`,
      { cause: error },
    );
  }
  const problems: string[] = [];
  const entries = names.includes(MANIFEST)
    ? fromManifest(dir, await readFile(join(dir, MANIFEST)), pools, problems)
    : fromNames(dir, names, problems);
  if (problems.length > 0) {
    const more = problems.length > SHOWN ? [`and ${problems.length - SHOWN} more`] : [];
    throw new FleetscoreError(
      'INVALID_MODEL_LIST',
      `the models in ${dir} cannot be told apart:\n${[...problems.slice(0, SHOWN), ...more].map((p) => `  ${p}`).join('\n')}`,
    );
  }
  if (entries.length === 0)
    throw new FleetscoreError(
      'INVALID_MODEL_LIST',
      `there are no models in ${dir}. Put files model_<device>_<sensor>.onnx there, or a ${MANIFEST} with the columns ${HEADER.join(',')}.`,
    );
  return entries;
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
  const columns = header?.record.length === HEADER.length + 1 ? [...HEADER, POOL] : HEADER;
  if (header?.record.join() !== columns.join()) {
    const forms = `${HEADER.join(',')} or ${HEADER.join(',')},${POOL}`;
    const got = JSON.stringify(header?.record.join() ?? '').slice(0, 80);
    problems.push(`${MANIFEST} line 1: the header must be ${forms}, got ${got}`);
    return [];
  }
  const entries: ModelEntry[] = [];
  const lines = new Map<string, number>();
  for (const { record, info } of body) {
    const [device = '', sensor = '', file = '', pool = ''] = record;
    const entry = { device, sensor, file, path: resolve(dir, file), ...(pool === '' ? {} : { pool }) };
    const before = lines.get(keyOf(entry));
    const problem =
      record.length === columns.length
        ? entryProblem(dir, entry, before, pools)
        : `has ${record.length} fields, expected ${columns.length}`;
    if (problem === undefined) entries.push(entry);
    else problems.push(`${MANIFEST} line ${info.lines}: ${problem}`);
    lines.set(keyOf(entry), info.lines);
  }
  return entries;
}

interface ManifestRow {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** @param before line that has the same sensor already */
function entryProblem(
  dir: string,
  { device, sensor, file, path, pool }: ModelEntry,
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
    if (problem === undefined) entries.push({ device, sensor, file, path: resolve(dir, file) });
    else
      problems.push(`${file}: ${problem}; rename it, or list it in a ${MANIFEST} with the columns ${HEADER.join(',')}`);
  }
  return entries;
}
