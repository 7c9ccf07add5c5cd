/**
 * Process 1 of the image. Runs one worker as a child, passes SIGTERM on to it (it drains, and its exit code is
 * ours), and carries what it writes to this process' own streams and to Blob (logs/{date}/{worker}): also its last
 * words when native code dies. FLEETSCORE_LOGS_TO_BLOB=off keeps it out of Blob. Other programs run in this process.
 *
 *     start.js control|ingest|scoring|database|stream-windows [--secret NAME=URL]...
 *
 * Without an argument the worker is the one that the variable WORKER names. Secrets, such as
 * https://VAULT.vault.azure.net/secrets/SECRET, are fetched by managed identity, for places that cannot inject them
 * (jobs of Azure Machine Learning); they go to the environment of this process only.
 */
import { parseArgs } from 'node:util';

/** What can be started, and the program of each. */
export const PROGRAMS = {
  control: '../../dist/workers/control.js',
  ingest: '../../dist/workers/ingest.js',
  scoring: '../../dist/workers/scoring.js',
  database: './database-users.js',
  'stream-windows': './stream-windows.js',
};

/** @throws Error that says how it is used */
export function readCommand(args, env) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { secret: { type: 'string', multiple: true } },
  });
  const [role = env.WORKER ?? '', ...rest] = positionals;
  if (!Object.hasOwn(PROGRAMS, role) || rest.length > 0)
    throw new Error(
      `start.js takes one of ${Object.keys(PROGRAMS).join(', ')}, not ${JSON.stringify([role, ...rest].join(' '))}`,
    );
  const secrets = (values.secret ?? []).map((text) => {
    const at = text.indexOf('=');
    const name = text.slice(0, at);
    if (at < 1 || !/^[A-Z][A-Z0-9_]*$/.test(name))
      throw new Error('--secret takes NAME=URL of a secret in a key vault');
    return { name, url: text.slice(at + 1) };
  });
  return { role, program: PROGRAMS[role], secrets };
}

/** What `fleetscore worker` runs, too. */
const WORKERS = new Set(['control', 'ingest', 'scoring']);

async function main() {
  const { role, program, secrets } = readCommand(process.argv.slice(2), process.env);
  // The configuration refuses variables that it does not know; this one was meant for this file.
  delete process.env.WORKER;
  if (secrets.length > 0) {
    const { fetchSecrets } = await import('./key-vault.js');
    Object.assign(process.env, await fetchSecrets(secrets));
  }
  if (WORKERS.has(role)) {
    const { runWorker } = await import('../../dist/workers/foreground.js');
    process.exit((await runWorker(role, process.env)).exitCode);
  }
  await import(program);
}

if (import.meta.main)
  await main().catch((error) => {
    process.stderr.write(`start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
