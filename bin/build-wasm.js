/**
 * Builds the WebAssembly that lies beside its source: `node bin/build-wasm.js` after a change of a .wat file. What it
 * makes is committed, so that a checkout and the package run without this; a test compares.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import wabtModule from 'wabt';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Sources, without the extension. */
export const SOURCES = ['scoring/csv/rows'];

/** @throws Error that names the line of the source that is wrong */
export async function assemble(source) {
  const wabt = await wabtModule();
  const file = `${source}.wat`;
  const module = wabt.parseWat(file, readFileSync(join(root, file), 'utf8'), { bulk_memory: true, multi_value: true });
  try {
    module.resolveNames();
    module.validate();
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}

if (import.meta.main)
  for (const source of SOURCES) {
    const bytes = await assemble(source);
    writeFileSync(join(root, `${source}.wasm`), bytes);
    process.stdout.write(`${source}.wasm: ${bytes.length} bytes\n`);
  }
