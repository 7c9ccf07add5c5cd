/**
 * Builds dist/ for the npm package: JavaScript (Node strips no types below node_modules), the files that
 * code loads by path, and the workflows bundled ahead of time.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });

const compiled = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
if (compiled.status !== 0) process.exit(compiled.status ?? 1);

/** What lies beside the code and is read at run time. */
const ASSET = /\.(sql|py|c?js|onnx|csv)$|requirements\.txt$/;
for (const room of ['local', 'payloads', 'report', 'samples', 'scoring', 'storage'])
  cpSync(join(root, room), join(dist, room), {
    recursive: true,
    filter: (source) => statSync(source).isDirectory() || ASSET.test(source),
  });

const { bundleWorkflowCode } = await import('@temporalio/worker');
const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error };
const bundle = async (file, options) => {
  const { code } = await bundleWorkflowCode({ workflowsPath: join(dist, 'workflows/index.js'), logger: quiet, ...options });
  writeFileSync(join(dist, file), code);
  return code;
};
// How failures become payloads is part of a bundle: the codec can encrypt those of an encrypted one.
const encrypted = { failureConverterPath: join(dist, 'payloads/failure-converter.cjs') };
// A traced one is loaded only where traces are sent somewhere.
const traced = { workflowInterceptorModules: [join(dist, 'workflows/tracing.js')] };
const code = await bundle('workflow-bundle.js');
await bundle('workflow-bundle-encrypted.js', encrypted);
await bundle('workflow-bundle-traced.js', traced);
await bundle('workflow-bundle-encrypted-traced.js', { ...encrypted, ...traced });
chmodSync(join(root, 'bin/fleetscore.js'), 0o755);
const files = readdirSync(dist, { recursive: true }).filter((name) => statSync(join(dist, name)).isFile());
process.stdout.write(`${relative(process.cwd(), dist) || 'dist'}: ${files.length} files, four workflow bundles of ${Math.round(code.length / 1024)} KiB\n`);
if (!existsSync(join(dist, 'cli/main.js'))) throw new Error('dist/cli/main.js is missing');
