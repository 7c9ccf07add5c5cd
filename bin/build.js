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

const compiled = spawnSync(
  process.execPath,
  [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')],
  { stdio: 'inherit' },
);
if (compiled.status !== 0) process.exit(compiled.status ?? 1);

/** What lies beside the code and is read at run time. */
const ASSET = /\.(sql|py|c?js|css|onnx|csv|sh|wasm)$|requirements\.txt$|init[\\/]README\.md$/;
for (const room of ['local', 'payloads', 'report', 'samples', 'scoring', 'storage', 'ui'])
  cpSync(join(root, room), join(dist, room), {
    recursive: true,
    filter: (source) => statSync(source).isDirectory() || ASSET.test(source),
  });

const { DIGEST_FILE, workflowDigest } = await import('../dist/version.js');
writeFileSync(join(dist, DIGEST_FILE), workflowDigest(root, '.ts'));

const { bundleName, bundleWorkflows, WORKFLOW_CODE_KINDS } = await import('../dist/workers/workflow-code.js');
let bytes = 0;
for (const kind of WORKFLOW_CODE_KINDS) {
  const code = await bundleWorkflows(kind);
  writeFileSync(join(dist, bundleName(kind)), code);
  bytes = Math.max(bytes, code.length);
}
chmodSync(join(root, 'bin/fleetscore.js'), 0o755);
const files = readdirSync(dist, { recursive: true }).filter((name) => statSync(join(dist, name)).isFile());
process.stdout.write(
  `${relative(process.cwd(), dist) || 'dist'}: ${files.length} files, ${WORKFLOW_CODE_KINDS.length} workflow bundles of up to ${Math.round(bytes / 1024)} KiB\n`,
);
if (!existsSync(join(dist, 'cli/main.js'))) throw new Error('dist/cli/main.js is missing');
