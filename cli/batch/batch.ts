/** `fleetscore batch ...`: run, steer, list and look at batches. */
import { setTimeout as sleep } from 'node:timers/promises';
import { hostname } from 'node:os';
import { WorkflowFailedError, WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { workerName } from '../../domain/worker.ts';
import { sensorName } from '../../domain/sensor.ts';
import type { Period } from '../../domain/time.ts';
import { buildId } from '../../version.ts';
import { startBatch } from '../../connect/start-batch.ts';
import { clientTrouble } from '../../connect/temporal-trouble.ts';
import { pauseUpdate, progressQuery, resumeUpdate, setConcurrencyUpdate } from '../../workflows/messages.ts';
import type { ScoreBatchRequest } from '../../workflows/requests.ts';
import { takerWarnings } from '../pool/takers.ts';
import { showBatch } from './show.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { knownBatch, knownSensor } from '../frame/known.ts';
import { interruption } from '../frame/interrupt.ts';
import { endedPeriod, periodOf } from '../frame/period.ts';
import { requireRelease } from '../models/releases.ts';
import { tell } from '../frame/terminal.ts';
import { watchBatch } from './progress.ts';
import { goneOr, refuseLost } from './lost.ts';
import { findWaiting } from './waiting.ts';
import { checkSelection } from '../../batches/select.ts';
import { requestOf, type RequestOptions } from './request-options.ts';
import { hasEnded, type Store } from '../../storage/store.ts';

/** Its workflow writes the record within moments: until then no other command would find the batch. */
const ON_RECORD_MS = 5_000;

async function onRecord(store: Pick<Store, 'findBatch'>, id: string): Promise<void> {
  for (const end = Date.now() + ON_RECORD_MS; Date.now() < end; await sleep(100)) if (await store.findBatch(id)) return;
}

interface WaitOption {
  readonly wait?: boolean;
  readonly waitUntilThen?: boolean;
}
type PeriodOptions = { readonly from: number; readonly to: number };

export const run = async (context: Context, options: RequestOptions & PeriodOptions & WaitOption): Promise<Output> =>
  start(context, 'by-hand', periodIn(options), requestOf(options), options);

export async function redrive(
  context: Context,
  options: RequestOptions & WaitOption & { readonly sensor?: readonly string[] },
  id: string,
): Promise<Output> {
  const base = await knownBatch(context, id);
  await refuseLost(context, base);
  const { fromMs, toMs } = base;
  const again = options.sensor && (await Promise.all(options.sensor.map((name) => knownSensor(context, [name]))));
  const sensors = again === undefined ? {} : { sensors: again.map(sensorName) };
  return start(context, 'redrive', { fromMs, toMs }, { ...requestOf(options), redrive: id, ...sensors }, options);
}

export const rescore = async (
  context: Context,
  options: RequestOptions & PeriodOptions & WaitOption,
): Promise<Output> => start(context, 'rescore', periodIn(options), { ...requestOf(options), rescore: true }, options);

export const pause = (context: Context, _: object, id: string): Promise<Output> =>
  steer(context, id, 'paused', (handle) => handle.executeUpdate(pauseUpdate));

export const resume = (context: Context, _: object, id: string): Promise<Output> =>
  steer(context, id, 'resumed', (handle) => handle.executeUpdate(resumeUpdate));

export const concurrency = (context: Context, { limit }: { readonly limit: number }, id: string): Promise<Output> =>
  steer(context, id, `runs at most ${limit} children at once`, (handle) =>
    handle.executeUpdate(setConcurrencyUpdate, { args: [limit] }),
  );

const periodIn = (options: PeriodOptions & WaitOption): Period =>
  options.waitUntilThen
    ? periodOf(options)
    : endedPeriod(options, '--wait-until-then to start a batch that waits for the end of its period');

async function start(
  context: Context,
  prefix: string,
  period: Period,
  request: ScoreBatchRequest,
  options: WaitOption,
): Promise<Output> {
  const store = await context.store();
  if (request.release !== undefined) requireRelease(await store.listReleases(), request.release);
  await checkSelection(store, { ...request, ...period });
  const client = await context.client();
  const { id, runId, handle } = await startBatch(client, prefix, period, request);
  const link = context.uiLink(handle.workflowId, runId);
  const warnings = await takerWarnings(context);
  if (!options.wait) {
    if (warnings.length === 0) await onRecord(store, id);
    return {
      data: { batch: id, workflowId: handle.workflowId, runId, warnings },
      text: [
        `Batch ${id} started.`,
        ...warnings.map((warning) => `Warning: ${warning}`),
        ...(link ? [`Watch it: ${link}`] : []),
        `Then: fleetscore batch show ${id}`,
      ].join('\n'),
    };
  }
  for (const warning of warnings) tell(`Warning: ${warning}`);
  const interrupted = interruption();
  const stopWatching = context.json ? undefined : await watchBatch(context, id, () => handle.query(progressQuery));
  try {
    await client.withAbortSignal(interrupted, () => handle.result());
  } catch (error) {
    const trouble = interrupted.aborted ? undefined : clientTrouble(error);
    if (trouble)
      throw new FleetscoreError(
        trouble.code,
        `${trouble.message} The server keeps batch ${id} and goes on with it: fleetscore batch show ${id}`,
        { cause: error, retryable: true },
      );
    // A batch that ended badly is on record; anything else is an error of the call.
    if (!interrupted.aborted && !(await (await context.store()).findBatch(id)))
      throw new FleetscoreError('BATCH_FAILED', `the batch did not start: ${rootMessage(error)}`, { cause: error });
  } finally {
    await stopWatching?.();
  }
  if (interrupted.aborted)
    return {
      data: { batch: id, workflowId: handle.workflowId, runId, waited: false },
      text: `Batch ${id} goes on without us. See it: fleetscore batch show ${id}\nEnd it: fleetscore batch cancel ${id}`,
      exitCode: EXIT_FAILED,
    };
  return showBatch(context, id);
}

/** The innermost cause: Temporal wraps what happened in what it did. */
function rootMessage(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  return messageOf(inner);
}

async function runningHandle(context: Context, id: string): Promise<WorkflowHandle> {
  // Until a control worker took it up a batch is not on record, but it can be steered.
  const waiting = (await (await context.store()).findBatch(id)) ? undefined : await findWaiting(context, id);
  if (waiting) return waiting.handle;
  const batch = await knownBatch(context, id);
  if (hasEnded(batch)) throw new FleetscoreError('BATCH_ENDED', `batch ${id} has ended already (${batch.status}).`);
  return (await context.client()).workflow.getHandle(batch.workflowId, batch.runId);
}

/** A control worker that runs ends a batch within moments; who waits for longer is told for what. */
const CANCEL_TOLD_MS = 10_000;

/**
 * Asks a workflow to end, and waits until it has.
 * @returns false where the wait was interrupted
 * @throws what the Temporal client throws when it does not answer: whether it ends is not known then
 */
async function endsWhenAsked(context: Context, handle: WorkflowHandle, id: string): Promise<boolean> {
  const interrupted = interruption();
  const late = setTimeout(() => {
    tell(
      `Batch ${id} is asked to end. A control worker has to take that up: \`fleetscore doctor\` says whether one ` +
        'runs. Ctrl-C does not take it back.',
    );
  }, CANCEL_TOLD_MS);
  try {
    await handle.cancel();
    await (await context.client()).withAbortSignal(interrupted, () => handle.result());
    return true;
  } catch (error) {
    if (interrupted.aborted) return false;
    // It ended as cancelled, or otherwise before that; or it was terminated, and nobody else closes the batch.
    if (error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError) return true;
    throw error;
  } finally {
    clearTimeout(late);
  }
}

export async function cancel(context: Context, _: object, id: string): Promise<Output> {
  const handle = await runningHandle(context, id);
  if (!(await endsWhenAsked(context, handle, id)))
    return {
      data: { batch: id, waited: false },
      text: `Batch ${id} is asked to end, and ends without us. See it: fleetscore batch show ${id}`,
      exitCode: EXIT_FAILED,
    };
  const store = await context.store();
  const batch = await store.findBatch(id);
  if (!batch)
    return {
      data: { batch: id, status: 'cancelled' },
      text: `Batch ${id} was cancelled before a worker took it up: nothing is on record.`,
    };
  if (!hasEnded(batch)) {
    const { finishBatch } = await import('../../batches/finish.ts');
    await finishBatch(
      {
        store,
        blobs: context.blobs(),
        codeVersion: buildId(),
        worker: workerName({ role: 'cli', host: hostname(), pid: process.pid }),
        filePerSensor: context.config.scoring.filePerSensor,
        now: Date.now,
      },
      { batchId: id, fromMs: batch.fromMs, toMs: batch.toMs, ending: 'cancelled', toleratedFailurePercentage: 100 },
    );
  }
  return { ...(await showBatch(context, id)), exitCode: 0 };
}

async function steer(
  context: Context,
  id: string,
  done: string,
  work: (handle: WorkflowHandle) => Promise<unknown>,
): Promise<Output> {
  const handle = await runningHandle(context, id);
  await work(handle).catch((error: unknown) => {
    throw goneOr(error, id);
  });
  return { data: { batch: id, done }, text: `Batch ${id}: ${done}.` };
}
