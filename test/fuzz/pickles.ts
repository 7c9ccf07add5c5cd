/**
 * Pickles for the converter, which is Python. Many inputs go to one run of it, as a folder of models does: it reads
 * each in a child of its own, so that only the start of Python is shared.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { convertModels } from '../../scoring/convert.ts';
import { CONVERTER_TOOLS } from '../support/python-packages.ts';
import type { Target } from './target.ts';

const PICKLES = fileURLToPath(new URL('../fixtures/pickles/', import.meta.url));

/** @param home a folder for its files */
export function pickles(home: string): Target {
  const dir = join(home, 'pickles');
  const out = join(home, 'converted');
  const runAll = async (inputs: readonly Uint8Array[]): Promise<void> => {
    mkdirSync(dir, { recursive: true });
    try {
      inputs.forEach((input, i) => writeFileSync(join(dir, `model_a_${i}`), input));
      const { models } = await convertModels(dir, out, { toolsDir: CONVERTER_TOOLS });
      const told = new Map(models.map((model) => [model.file, model]));
      for (const i of inputs.keys()) {
        const model = told.get(`model_a_${i}`);
        if (!model) throw new Error(`nothing was said of file ${i} of ${inputs.length}`);
        if (!model.ok && model.error.length > 4_000)
          throw new Error(`a reason of ${model.error.length} characters for file ${i}`);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
      rmSync(out, { recursive: true, force: true });
    }
  };
  return {
    seeds: readdirSync(PICKLES)
      .filter((name) => name.startsWith('model_'))
      .map((name) => readFileSync(join(PICKLES, name))),
    together: 100,
    run: (input) => runAll([input]),
    runAll,
  };
}
