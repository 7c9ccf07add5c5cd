import { afterAll, expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SAMPLE_MODELS_DIR } from '../../samples/fleet.ts';
import { tempDir } from '../support/temp.ts';

const [scripts, off, on] = [tempDir('telemetry-scripts'), tempDir('telemetry-off'), tempDir('telemetry-on')];
const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const children: ChildProcess[] = [];

/**
 * A process that has checked a model in a scoring thread, and stays until its input ends. Its environment is bare:
 * where CI or GITHUB_ACTIONS are set, onnxruntime's telemetry is quiet by itself.
 */
async function scoring(dir: string, env: NodeJS.ProcessEnv): Promise<void> {
  const [model] = readdirSync(SAMPLE_MODELS_DIR).filter((name) => name.endsWith('.onnx'));
  const main = join(scripts, 'check.mjs');
  writeFileSync(
    main,
    `
    import { createThreads } from ${JSON.stringify(file('../../scoring/threads.ts'))};
    import { newMarks } from ${JSON.stringify(file('../../scoring/thread-protocol.ts'))};
    const threads = createThreads({ threads: 1, timeoutMs: 60000, maxCacheBytes: 1, maxModelBytes: 1e6, executionProvider: 'cpu' });
    const end = await threads.run({ type: 'check', files: [{ path: ${JSON.stringify(join(fileURLToPath(SAMPLE_MODELS_DIR), model!))}, declared: {} }], marks: newMarks() });
    console.log(end.reply.results[0].sha256);
    process.stdin.resume().on('end', () => threads.close());`,
  );
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main], {
    env: { PATH: process.env['PATH'], HOME: dir, TMPDIR: dir, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = await once(createInterface(child.stdout), 'line');
  expect(line).toMatch(/^[0-9a-f]{64}$/);
}

afterAll(() =>
  Promise.all(
    children.map(async (child) => {
      const ended = once(child, 'exit');
      child.stdin!.end();
      await ended;
    }),
  ),
);

test('scoring threads start no telemetry, which would leave traces; a value set by hand stays', async () => {
  await scoring(off, {});
  await scoring(on, { ORT_DISABLE_TELEMETRY: '0' });
  // The telemetry of onnxruntime writes from a thread of its own: its traces come when they come.
  for (let tries = 0; traces(on).length === 0 && tries < 300; tries += 1) await sleep(100);
  expect(traces(on)).not.toEqual([]);
  expect(traces(off)).toEqual([]);
});

/** What telemetry left; the empty working directory of the process of the model is ours. */
function traces(dir: string): string[] {
  return readdirSync(dir).filter((name) => !name.startsWith('fleetscore-model-'));
}
