/**
 * The hooks of azure.yaml, for every shell: azd runs `node deploy/azd/hook.js STEP` after it has put its environment
 * into the variables. By hand, for commands on your own machine, in sh and in PowerShell:
 *
 *     eval "$(node deploy/azd/hook.js env)"
 *     node deploy/azd/hook.js env --shell pwsh | Out-String | Invoke-Expression
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environmentLines, postprovision, postpublish, predown, prepublish, preprovision } from './steps.js';

const STEPS = new Map(Object.entries({ preprovision, postprovision, prepublish, postpublish, predown }));
const usage = `usage: hook.js ${[...STEPS.keys()].join('|')} | hook.js env [--shell sh|pwsh]`;

/** Runs a program and gives what it printed. On Windows both are command files, which want a shell and quotes. */
function run(program, args) {
  const windows = process.platform === 'win32';
  const shown = windows ? args.map((arg) => `"${arg.replaceAll('"', '\\"')}"`) : args;
  return new Promise((resolve, reject) => {
    const child = spawn(program, shown, { shell: windows, stdio: ['ignore', 'pipe', 'pipe'] });
    const out = [];
    const errors = [];
    child.stdout.on('data', (part) => out.push(part));
    child.stderr.on('data', (part) => errors.push(part));
    child.on('error', (error) =>
      reject(new Error(error.code === 'ENOENT' ? `${program} is not installed, or not on the PATH` : error.message)),
    );
    child.on('close', (code) =>
      code === 0
        ? resolve(Buffer.concat(out).toString('utf8'))
        : reject(
            new Error(
              `${program} ${args.slice(0, 3).join(' ')} failed: ${Buffer.concat(errors).toString('utf8').trim()}`,
            ),
          ),
    );
  });
}

async function az(args, body) {
  if (body === undefined) return run('az', args);
  const folder = mkdtempSync(join(tmpdir(), 'fleetscore-azd-'));
  try {
    writeFileSync(join(folder, 'body.json'), JSON.stringify(body));
    return await run('az', [...args, '--body', `@${join(folder, 'body.json')}`]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const context = {
  env: process.env,
  az,
  azd: (args) => run('azd', args),
  say: (text) => process.stderr.write(`fleetscore: ${text}\n`),
  sleep: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000)),
  pollSeconds: Number(process.env.DEPLOY_POLL_SECONDS ?? 10),
  parameters: readFileSync(fileURLToPath(new URL('../bicep/main.parameters.json', import.meta.url)), 'utf8'),
  sizes: (profile) =>
    JSON.parse(readFileSync(fileURLToPath(new URL(`../bicep/profiles/${profile}.json`, import.meta.url)), 'utf8')),
};

const [step, ...rest] = process.argv.slice(2);
try {
  if (step === 'env') {
    const shell = rest[0] === '--shell' ? rest[1] : 'sh';
    if (shell !== 'sh' && shell !== 'pwsh') throw new Error(usage);
    process.stdout.write(`${(await environmentLines(context, shell)).join('\n')}\n`);
  } else {
    const doStep = STEPS.get(step);
    if (doStep === undefined) throw new Error(usage);
    await doStep(context);
  }
} catch (error) {
  process.stderr.write(`fleetscore: ${error.message}\n`);
  process.exitCode = 1;
}
