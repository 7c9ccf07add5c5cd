/** What tests of `models convert` share: pickles, folders of files, and a converter that is kept between runs. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { convertModels, type ConvertedModel, type ConvertSummary } from '../../scoring/convert.ts';
import { CONVERTER_TOOLS } from '../support/python-packages.ts';
import { tempDir } from '../support/temp.ts';

export const PICKLES = fileURLToPath(new URL('../fixtures/pickles/', import.meta.url));

export const pickle = (name: string): Uint8Array => readFileSync(join(PICKLES, name));

/** Why a file was refused. */
export function errorOf(models: readonly ConvertedModel[], file: string): string {
  const model = models.find((m) => m.file === file);
  if (!model || model.ok) throw new Error(`${file} was not refused`);
  return model.error;
}

export interface Converting {
  /** For all that a test file writes. */
  readonly scratch: string;
  /** What the converter told. */
  readonly log: string[];
  /** A path that nothing has yet. */
  fresh(prefix: string): string;
  /** A new folder with these files. */
  folder(files: Readonly<Record<string, string | Uint8Array>>): string;
  /** Converts a folder, into a new one unless told otherwise. */
  convert(dir: string, out?: string): Promise<ConvertSummary & { readonly out: string }>;
}

export function useConverter(): Converting {
  const scratch = tempDir('convert');
  const log: string[] = [];
  let made = 0;
  const fresh = (prefix: string): string => join(scratch, `${prefix}-${++made}`);
  return {
    scratch,
    log,
    fresh,
    folder(files) {
      const dir = fresh('in');
      mkdirSync(dir);
      for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
      return dir;
    },
    async convert(dir, out = fresh('out')) {
      const options = { toolsDir: CONVERTER_TOOLS, log: (line: string) => void log.push(line) };
      return { ...(await convertModels(dir, out, options)), out };
    },
  };
}
