/**
 * The checks of `npm run check:lint`: oxlint, then the width of code and comments. The formatter holds the width of
 * code, but breaks neither a text nor a comment. Files that had wider lines when the rule was made are counted in
 * too-wide.json; a count may only become smaller.
 *
 *     node bin/lint.js [--count]   --count writes the counts anew, where none grows
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const WIDTH = 120;
const COUNTS = join(root, 'bin', 'too-wide.json');
const LEFT_OUT = new Set(['node_modules', 'dist', 'histories', 'fixtures', 'homes']);

function* sources(folder = '') {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    if (LEFT_OUT.has(entry.name) || entry.name.startsWith('.')) continue;
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.[jt]s$/.test(path)) yield path;
  }
}

const allowed = JSON.parse(readFileSync(COUNTS, 'utf8'));
const found = {};
const problems = [];
for (const file of sources()) {
  const lines = readFileSync(join(root, file), 'utf8').split('\n');
  const wide = lines.flatMap((line, i) => (line.length > WIDTH ? [i + 1] : []));
  if (wide.length > 0) found[file] = wide.length;
  const most = allowed[file] ?? 0;
  if (wide.length > most)
    problems.push(`${file}: ${wide.length} lines are wider than ${WIDTH} (${wide.join(', ')}), ${most} may be`);
}
if (process.argv.includes('--count')) {
  const counts = Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(COUNTS, `${JSON.stringify(counts, null, 2)}\n`);
}
const oxlint = spawnSync(process.execPath, [join(root, 'node_modules/oxlint/bin/oxlint'), '--deny-warnings'], {
  cwd: root,
  stdio: 'inherit',
});
for (const problem of problems) process.stdout.write(`${problem}\n`);
if (problems.length > 0) process.stdout.write('Break these lines; a text becomes pieces joined by +.\n');

process.exit(oxlint.status !== 0 || problems.length > 0 ? 1 : 0);
