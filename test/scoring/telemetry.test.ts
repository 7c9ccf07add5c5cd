import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { SAMPLE_MODELS_DIR } from '../../samples/fleet.ts';
import { cleanEnv } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const run = promisify(execFile);
const [scripts, off, on] = [tempDir('telemetry-scripts'), tempDir('telemetry-off'), tempDir('telemetry-on')];
const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Checks a model in a thread, in a process of its own; gives what onnxruntime left in its temporary folder. */
async function leftBehind(dir: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const [model] = readdirSync(SAMPLE_MODELS_DIR).filter((name) => name.endsWith('.onnx'));
  const script = `
    import { createThreads } from ${JSON.stringify(file('../../scoring/threads.ts'))};
    import { newMarks } from ${JSON.stringify(file('../../scoring/thread-protocol.ts'))};
    const threads = createThreads({ threads: 1, timeoutMs: 60000, maxCacheBytes: 1, maxModelBytes: 1e6, executionProvider: 'cpu' });
    const end = await threads.run({ type: 'check', paths: [${JSON.stringify(join(fileURLToPath(SAMPLE_MODELS_DIR), model!))}], marks: newMarks() });
    console.log(JSON.stringify(end.reply.results[0].sha256));
    await threads.close();`;
  const main = join(scripts, 'check.mjs');
  writeFileSync(main, script);
  const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', main], { env: { ...cleanEnv(), ...env, TMPDIR: dir } });
  expect(stdout).toMatch(/^"[0-9a-f]{64}"/);
  return readdirSync(dir);
}

test('scoring threads start no telemetry', async () => {
  expect(await leftBehind(off, {})).toEqual([]);
});

test('its traces would be seen, and a value set by hand stays', async () => {
  expect(await leftBehind(on, { ORT_DISABLE_TELEMETRY: '0' })).not.toEqual([]);
});
