/** The recipes of docs/models.md for models that are not converted: what they write passes the check of publishing. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newMarks } from '../../scoring/thread-protocol.ts';
import { createThreads } from '../../scoring/threads.ts';
import { libraries } from '../scoring/kinds/kinds.ts';
import { openRunner } from '../scoring/kinds/runner.ts';
import { pythonPackages } from '../support/python-packages.ts';
import { tempDir } from '../support/temp.ts';

const PACKAGES = ['skl2onnx==1.20.0', 'onnx==1.23.2', 'protobuf==7.36.2', 'ml_dtypes==0.6.0'];
/** Of single precision, near the threshold. */
const NEAR = 1e-4;

interface Said {
  readonly rows: readonly (readonly number[])[];
  readonly labels: readonly number[];
  readonly scores: readonly number[];
}

test('models that the recipes make are taken, and say what their libraries say', async () => {
  const folders = [libraries(), pythonPackages('The test of the recipes of docs/models.md', PACKAGES, true)];
  if (folders.includes(undefined)) return;
  const out = join(tempDir('recipes'), 'models');
  mkdirSync(out);
  const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
  const run = spawnSync('python3', [here('./model_recipes.py'), here('../../docs/models.md'), out], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH: folders.join(delimiter), OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' },
  });
  process.stderr.write(run.stderr);
  expect(run.status).toBe(0);
  const said = JSON.parse(readFileSync(join(out, 'said.json'), 'utf8')) as Record<string, Said>;
  const names = Object.keys(said);
  expect(names).toEqual(expect.arrayContaining(['forest.onnx', 'residual.onnx']));

  const limits = { timeoutMs: 60_000, maxCacheBytes: 1, maxModelBytes: 1024 * 1024 };
  const threads = createThreads({ threads: 1, executionProvider: 'cpu', ...limits });
  const runner = openRunner();
  try {
    const files = names.map((name) => ({ path: join(out, name), declared: { features: ['mean', 'min', 'max'] } }));
    // The recipe of the residuals says its features itself.
    const end = await threads.run({
      type: 'check',
      files: files.map((file) => (file.path.endsWith('network.onnx') ? file : { ...file, declared: {} })),
      marks: newMarks(),
    });
    if (end.type !== 'reply') throw new Error(end.message);
    expect(end.reply.results.map((result) => ('problem' in result ? result.problem : result.labels))).toEqual(
      names.map(() => true),
    );
    for (const name of names.filter((one) => !one.endsWith('network.onnx'))) {
      const { rows, labels, scores } = said[name]!;
      const got = await runner.alone(readFileSync(join(out, name)), Float64Array.from(rows.flat()), 3);
      const far = scores.map((score) => Math.abs(score) > NEAR);
      expect([...got.anomaly].filter((_, i) => far[i])).toEqual(
        labels.filter((_, i) => far[i]).map((label) => Number(label !== 1)),
      );
      expect(Math.max(...scores.map((score, i) => Math.abs(score - got.score[i]!)))).toBeLessThan(NEAR);
    }
    // What skl2onnx really writes for a forest is packed, and says the same to the last bit.
    const forest = readFileSync(join(out, 'forest.onnx'));
    const values = Float64Array.from(said['forest.onnx']!.rows.flat());
    const pack = (await runner.packOf(forest, 3, 2))!;
    expect(pack.kind).toBe('isolation-forest-skl2onnx');
    const inPack = await runner.packed(pack, new Int32Array(values.length / 3).fill(1), values);
    expect(inPack).toEqual(await runner.alone(forest, values, 3));
  } finally {
    await threads.close();
    await runner.close();
  }
}, 900_000);
