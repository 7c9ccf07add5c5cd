/**
 * Run while the image is built: everything that the workers load must load, natively too, from what is left
 * after trimming. Starts nothing.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const require = createRequire(join(root, 'package.json'));

for (const name of [
  '@temporalio/worker',
  '@temporalio/client',
  '@temporalio/envconfig',
  'onnxruntime-node',
  '@azure/identity',
  '@azure/event-hubs',
  '@azure/storage-blob',
  '@azure/arm-machinelearning',
  'mssql',
  'pino',
  'zod',
])
  await import(require.resolve(name));
// Loads the native library.
if (typeof require('@temporalio/core-bridge') !== 'object')
  throw new Error('the native library of Temporal did not load');
for (const file of [
  'dist/workers/foreground.js',
  'dist/workers/control.js',
  'dist/workers/ingest.js',
  'dist/workers/scoring.js',
  'dist/workflow-bundle.js',
  'dist/workflow-bundle-encrypted.js',
  'dist/workflow-bundle-traced.js',
  'dist/workflow-bundle-encrypted-traced.js',
  'dist/payloads/failure-converter.cjs',
  'dist/storage/migrations/mssql',
])
  if (!existsSync(join(root, file))) throw new Error(`${file} is missing from the build`);
// What process 1 loads on its way to a worker.
await import(join(root, 'dist/workers/foreground.js'));
for (const name of ['node', 'azurite', 'jest', 'typescript'])
  if (existsSync(join(root, 'node_modules', name)))
    throw new Error(`node_modules/${name} does not belong in the image`);
const platforms = readdirSync(join(root, 'node_modules/onnxruntime-node/bin'), { recursive: true }).filter((path) =>
  path.endsWith('.node'),
);
if (platforms.length !== 1) throw new Error(`onnxruntime for one platform is wanted, not ${platforms.join(', ')}`);
process.stdout.write(`image: ${String(platforms[0])}, Node ${process.versions.node}\n`);
process.exit(0);
