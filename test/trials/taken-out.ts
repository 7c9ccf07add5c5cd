/**
 * Whether `verify` finds what would be lost without a word: each mend of such a loss is taken out, the trouble that it
 * is for is made, and what `verify` says is held against what is lost; the same beside it with the mend.
 *
 *   npm run chaos -- --taken-out [--case "which hub it is"]
 *
 * Prints a table. Exit code 1 when something is lost with the mend, nothing is without it (then the trial proves
 * nothing), or `verify` finds nothing.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { orUsage } from '../../bench/flags.ts';
import { BATCH_CASES } from './taken-out-batch.ts';
import { INGEST_CASES } from './taken-out-ingest.ts';
import type { Outcome } from './taken-out-outcome.ts';
import { MENDS } from './take-out.ts';

const CASES: Readonly<Record<string, (dir: string) => Promise<Outcome>>> = { ...INGEST_CASES, ...BATCH_CASES };
const USAGE = `npm run chaos -- --taken-out [--case ${Object.keys(CASES).join('|')}]`;
const options = {
  'taken-out': { type: 'boolean' },
  case: { type: 'string' },
  run: { type: 'boolean', default: false },
} as const;
const flags = orUsage(USAGE, () => {
  const { values } = parseArgs({ options });
  if (values.case !== undefined && !(values.case in CASES)) throw new Error(`--case ${values.case} is not known`);
  return values;
});

if (flags.run) {
  const dir = mkdtempSync(join(tmpdir(), 'fleetscore-taken-out-'));
  try {
    console.log(JSON.stringify(await CASES[flags.case!]!(dir)));
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
  process.exit(0);
}

const mends = MENDS.filter((mend) => flags.case === undefined || mend === flags.case);
if (mends.length === 0) throw new Error(`--case takes one of: ${MENDS.join(', ')}`);
/** Of the trouble, until something is lost. */
const TRIES = 4;
let wrong = 0;
const shown = ({ lost, of, what }: Outcome): string => `${lost} of ${of} ${what}`;
console.log('| mend | with it: lost | told | without it: lost | told | `verify` finds |');
console.log('| --- | --- | --- | --- | --- | --- |');
for (const mend of mends) {
  const whole = run(mend, false);
  let without = run(mend, true);
  // Who takes a partition from whom is a matter of chance, and sometimes nobody does for long.
  for (let more = TRIES - 1; more > 0 && without.lost === 0; more--) without = run(mend, true);
  const said = ({ told }: Outcome): string => told[0] ?? 'nothing';
  console.log(
    `| ${mend} | ${shown(whole)} | ${said(whole)} | ${shown(without)} | ${said(without)} | ` +
      `${without.found[0] ?? 'nothing'} |`,
  );
  if (whole.lost > 0 || without.lost === 0 || without.found.length === 0) wrong += 1;
}
process.exit(wrong === 0 ? 0 : 1);

function run(mend: string, without: boolean): Outcome {
  const hook = new URL('./take-out.ts', import.meta.url).href;
  const main = new URL('./main.ts', import.meta.url).pathname;
  const args = [
    '--disable-warning=ExperimentalWarning',
    '--import',
    hook,
    main,
    '--taken-out',
    '--run',
    '--case',
    mend,
  ];
  const { stdout, status } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...(without ? { FLEETSCORE_TAKE_OUT: mend } : {}) },
  });
  if (status !== 0) throw new Error(`the trial of ${mend} ended with ${status}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Outcome;
}
