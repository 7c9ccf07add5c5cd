/** A temporary folder for one test file, gone at its end: after all of its hooks (environment.js). */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

declare global {
  // oxlint-disable-next-line no-var
  var temporaryFolders: string[];
}

export function tempDir(name: string): string {
  const dir = mkdtempSync(join(tmpdir(), `fleetscore-${name}-`));
  globalThis.temporaryFolders.push(dir);
  return dir;
}
