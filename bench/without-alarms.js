/**
 * Loaded before the workers of a benchmark: scoring leaves nothing for alarms, and none are decided on. What it changes
 * must be there, or the worker does not start: a measurement beside nothing would look like a good one.
 */
import { registerHooks } from 'node:module';

const CHANGES = [
  ['/activities/scoring.ts', /const signals = signalsOf\(\{[^;]*\}\);/, 'const signals = [];'],
  [
    '/activities/control.ts',
    /raiseAlarms: \(\{ batchId \}\) => run\(\(\) => raiseAlarms\(deps, batchId\)\)/,
    'raiseAlarms: () => run(async () => ({ sensors: 0, activated: 0, cleared: 0 }))',
  ],
];

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const change = CHANGES.find(([file]) => url.endsWith(file));
    if (!change) return loaded;
    const [file, from, to] = change;
    const source = String(loaded.source);
    if (!from.test(source)) throw new Error(`bench/without-alarms.js does not find what it leaves out of ${file}`);
    return { ...loaded, source: source.replace(from, to) };
  },
});
