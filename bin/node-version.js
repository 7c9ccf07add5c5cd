/**
 * Which Node runs the product. It needs node:sqlite and type stripping; where the system's Node is older, the
 * pinned one of the npm package `node` is used. Plain JavaScript that any Node from 18 on runs.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';

export const NEEDED = [22, 18];

/** Path of a Node that is new enough: this one, or the pinned one. Undefined when there is neither. */
export function findNode(root) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) return process.execPath;
  try {
    const require = createRequire(join(root, 'package.json'));
    const name = process.platform === 'win32' ? 'node.exe' : 'node';
    const path = join(dirname(require.resolve('node/package.json')), 'bin', name);
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

export function tooOld(remedy) {
  return (
    `fleetscore needs Node ${NEEDED.join('.')} or newer; this is ${process.versions.node}, and the pinned Node ` +
    `that npm should have installed is missing. ${remedy}`
  );
}
