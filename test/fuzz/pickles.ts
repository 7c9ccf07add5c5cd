/** Pickles for the converter, which is Python: one process for each input, as `models convert` has one for each file. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { convertModels } from '../../scoring/convert.ts';
import type { Target } from './targets.ts';

const PICKLES = fileURLToPath(new URL('../fixtures/pickles/', import.meta.url));
const TOOLS = fileURLToPath(new URL('../../.tools/test/', import.meta.url));

/** @param home a folder for its files */
export function pickles(home: string): Target {
  const dir = join(home, 'pickles');
  const out = join(home, 'converted');
  mkdirSync(dir);
  return {
    seeds: readdirSync(PICKLES)
      .filter((name) => name.startsWith('model_'))
      .map((name) => readFileSync(join(PICKLES, name))),
    async run(input) {
      writeFileSync(join(dir, 'model_a_1'), input);
      const { models } = await convertModels(dir, out, { toolsDir: TOOLS });
      const [model] = models;
      if (models.length !== 1 || !model) throw new Error(`${models.length} results for one file`);
      if (!model.ok && model.error.length > 4_000) throw new Error(`a reason of ${model.error.length} characters`);
      rmSync(out, { recursive: true, force: true });
    },
  };
}
