/**
 * `fleetscore worker ROLE`: one worker in the foreground with the configuration in force, beside a running laptop stack
 * or for a deployment of one's own. What it needs is asked for before it starts, so that what is missing is one line.
 */
import { blobConfig } from '../../config.ts';
import { ERROR_CODES, type ErrorCode } from '../../domain/error-codes.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { redact } from '../../domain/redact.ts';
import { runWorker, type Role, type WorkerEnd } from '../../workers/foreground.ts';
import { temporalTarget } from '../../connect/temporal.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { tell } from '../frame/terminal.ts';

/** Resolves when the worker has drained. @throws FleetscoreError what it lacked, or what it died of */
export async function worker(context: Context, _options: object, role: Role): Promise<Output | undefined> {
  blobConfig(context.config);
  // An ingest worker needs no Temporal.
  if (role !== 'ingest') await (await context.client()).connection.close();
  const { exitCode, problem } = await runWorker(role, context.env, () => tell(atWork(role, context)));
  if (exitCode === 0) return undefined;
  throw deathOf(role, exitCode, problem);
}

function atWork(role: Role, { env, config }: Context): string {
  const { address, namespace } = temporalTarget(env);
  const queue = role === 'scoring' ? `, task queue ${config.scoring.queue}` : '';
  const takes =
    role === 'ingest'
      ? `readings of event hub ${config.eventHubs.hub}`
      : `work of Temporal ${address}, namespace ${namespace}${queue}`;
  return `The ${role} worker takes ${takes}; store ${redact(config.sqlUrl)}. Ctrl-C or SIGTERM drains it.`;
}

function deathOf(role: Role, exitCode: number, problem: WorkerEnd['problem']): FleetscoreError {
  if (problem) return new FleetscoreError(known(problem.code) ?? 'WORKER_DIED', problem.message);
  return new FleetscoreError(
    'WORKER_DIED',
    `the ${role} worker ended without a word of its own (exit code ${exitCode}). Its last lines are above; what was ` +
      'under way is done again by the next worker.',
  );
}

const CODES: ReadonlySet<string> = new Set(Object.values(ERROR_CODES).flatMap((group) => Object.keys(group)));
const known = (code: string | undefined): ErrorCode | undefined =>
  code !== undefined && CODES.has(code) ? (code as ErrorCode) : undefined;
