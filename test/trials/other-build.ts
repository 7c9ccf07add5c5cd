/**
 * Loaded before a trial (`node --import`), it makes the trial try another build: what the trial imports of the product
 * comes from the folder FLEETSCORE_TRIAL_OF, workers included; servers and proxies stay those of this one.
 */
import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const own = fileURLToPath(new URL('../..', import.meta.url));
const other = process.env['FLEETSCORE_TRIAL_OF']!;

/** Files of tests that are the product's way of being looked at, so that each build brings its own. */
const LOOKS: ReadonlySet<string> = new Set(['test/support/fault-stack.ts', 'test/support/run-batch.ts']);
/** Servers are those of this build, whatever they are made of. */
const OWN = /^test\/support\/(own-servers\.ts$|tds\/)/;
/** Where earlier builds have what moved since. */
const MOVED: Readonly<Record<string, string>> = {
  'cli/frame/context.ts': 'cli/context.ts',
  'connect/schedules.ts': 'workers/schedules.ts',
};

registerHooks({
  resolve(specifier, context, nextResolve) {
    const found = nextResolve(specifier, context);
    if (!found.url.startsWith('file:') || !context.parentURL?.startsWith('file:')) return found;
    const [file, parent] = [found.url, context.parentURL].map((url) => relative(own, fileURLToPath(url)));
    if (!parent!.startsWith('test/') || OWN.test(parent!)) return found;
    if (file!.startsWith('..') || /^(node_modules|local)\//.test(file!)) return found;
    if (file!.startsWith('test/') && !LOOKS.has(file!)) return found;
    const there = [file!, MOVED[file!] ?? '']
      .map((path) => join(other, path))
      .find((path) => path !== other && existsSync(path));
    return there === undefined ? found : nextResolve(pathToFileURL(there).href, context);
  },
});
