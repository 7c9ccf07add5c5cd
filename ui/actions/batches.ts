/** Actions on batches and schedules: the same calls as those of the command line, and the same refusals. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ScheduleNotFoundError, WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import { lostBatches, workflowsEnd, type WorkflowsEnd } from '../../batches/lost.ts';
import { checkSelection } from '../../batches/select.ts';
import { backfillSchedule } from '../../connect/schedules.ts';
import { startBatch } from '../../connect/start-batch.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { DEFAULT_OVERLAP } from '../../domain/overlap.ts';
import { isoTime, parseTime, type Period } from '../../domain/time.ts';
import { formatNumberOf } from '../../report/format.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import { pauseUpdate, resumeUpdate } from '../../workflows/messages.ts';
import type { App } from '../app.ts';
import { act, formOf } from './act.ts';

type Route = (app: App, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

async function batchOf({ deps }: App, id: string): Promise<Batch> {
  const batch = await (await deps.store()).findBatch(id);
  if (batch) return batch;
  throw new FleetscoreError('BATCH_UNKNOWN', `there is no batch ${JSON.stringify(id.slice(0, 200))}.`);
}

async function openBatch(app: App, id: string): Promise<Batch> {
  const batch = await batchOf(app, id);
  if (!hasEnded(batch)) return batch;
  throw new FleetscoreError('BATCH_ENDED', `batch ${id} has ended already (${batch.status}).`);
}

async function steered(app: App, id: string, work: (handle: WorkflowHandle) => Promise<unknown>): Promise<void> {
  const { workflowId, runId } = await openBatch(app, id);
  try {
    await work((await app.deps.client()).workflow.getHandle(workflowId, runId));
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    throw new FleetscoreError(
      'BATCH_ENDED',
      `the workflow of batch ${id} is gone: fleetscore batch cancel ${id} closes its record.`,
      { cause: error },
    );
  }
}

const VERBS: Readonly<Record<string, (app: App, id: string) => Promise<string>>> = {
  async redrive(app, id) {
    const base = await batchOf(app, id);
    const endOf: WorkflowsEnd = async (batch) => workflowsEnd(await app.deps.client())(batch);
    const lost = (await lostBatches(await app.deps.store(), endOf, [base])).get(id);
    if (lost) throw new FleetscoreError('BATCH_RUNNING', `batch ${id} is not closed yet: ${lost.text}.`);
    const { fromMs, toMs } = base;
    await checkSelection(await app.deps.store(), { redrive: id, fromMs, toMs });
    const started = await startBatch(await app.deps.client(), 'redrive', base, { redrive: id });
    return (
      `redrive of ${formatNumberOf(base.counts.failed + base.counts.cancelled, 'sensor')} started: ` +
      `batch ${started.id}`
    );
  },
  async pause(app, id) {
    await steered(app, id, (handle) => handle.executeUpdate(pauseUpdate));
    return `batch ${id} starts nothing more until it is resumed`;
  },
  async resume(app, id) {
    await steered(app, id, (handle) => handle.executeUpdate(resumeUpdate));
    return `batch ${id} goes on`;
  },
  async cancel(app, id) {
    await steered(app, id, (handle) => handle.cancel());
    return `batch ${id} ends; sensors that are not scored yet are recorded as cancelled`;
  },
};

/** @throws FleetscoreError `INVALID_ARGUMENT` when there is no such verb */
function verbOf<Verb>(verbs: Readonly<Record<string, Verb>>, what: string, thing: string): Verb {
  if (Object.hasOwn(verbs, what)) return verbs[what]!;
  throw new FleetscoreError(
    'INVALID_ARGUMENT',
    `nothing called ${JSON.stringify(what.slice(0, 40))} can be done to ${thing}.`,
  );
}

export const batchAction: Route = async (app, request, reply) => {
  const { id, what } = request.params as { readonly id: string; readonly what: string };
  const verb = verbOf(VERBS, what, 'a batch');
  return act(
    app,
    request,
    reply,
    { name: `batch.${what}`, target: id, leadsTo: `/batches/${encodeURIComponent(id)}` },
    () => verb(app, id),
  );
};

/** A period that has ended: what lies ahead has readings to come. */
function periodIn(form: URLSearchParams, nowMs: number): Period {
  const [fromMs, toMs] = [parseTime(form.get('from') ?? '', 'from'), parseTime(form.get('to') ?? '', 'to')];
  if (fromMs >= toMs)
    throw new FleetscoreError('INVALID_ARGUMENT', `from ${isoTime(fromMs)} is not before to ${isoTime(toMs)}.`);
  if (toMs > nowMs) throw new FleetscoreError('INVALID_ARGUMENT', `${isoTime(toMs)} lies in the future.`);
  return { fromMs, toMs };
}

/** Scores a period again: all of it, or only sensors whose readings changed since. */
export const scoreAction: Route = async (app, request, reply) => {
  const form = formOf(request);
  const rescore = form.get('what') !== 'all';
  const kind = rescore ? 'rescore' : 'by-hand';
  const target = `${form.get('from') ?? ''} to ${form.get('to') ?? ''}`;
  return act(
    app,
    request,
    reply,
    { name: `batch.${rescore ? 'rescore' : 'run'}`, target, leadsTo: '/batches' },
    async () => {
      const period = periodIn(form, app.deps.now());
      await checkSelection(await app.deps.store(), { ...(rescore ? { rescore } : {}), ...period });
      const started = await startBatch(await app.deps.client(), kind, period, rescore ? { rescore } : {});
      return `batch ${started.id} started`;
    },
  );
};

const SCHEDULE_VERBS: Readonly<Record<string, (app: App, name: string, form: URLSearchParams) => Promise<string>>> = {
  async pause(app, name, form) {
    const note = form.get('note')?.trim() || 'paused from the web application';
    await (await app.deps.client()).schedule.getHandle(name).pause(note);
    return `schedule ${name} is paused: ${note}`;
  },
  async resume(app, name) {
    await (await app.deps.client()).schedule.getHandle(name).unpause('resumed from the web application');
    return `schedule ${name} starts batches again`;
  },
  async trigger(app, name) {
    await (await app.deps.client()).schedule.getHandle(name).trigger('ALLOW_ALL');
    return `schedule ${name} starts a batch now`;
  },
  async backfill(app, name, form) {
    const period = periodIn(form, app.deps.now());
    await backfillSchedule(await app.deps.client(), name, period, DEFAULT_OVERLAP);
    return `schedule ${name} starts the batches from ${isoTime(period.fromMs)} to ${isoTime(period.toMs)}`;
  },
};

export const scheduleAction: Route = async (app, request, reply) => {
  const { name, what } = request.params as { readonly name: string; readonly what: string };
  const verb = verbOf(SCHEDULE_VERBS, what, 'a schedule');
  const done = async (): Promise<string> => {
    try {
      return await verb(app, name, formOf(request));
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
      const message = `there is no schedule ${JSON.stringify(name.slice(0, 200))}: it was deleted.`;
      throw new FleetscoreError('SCHEDULE_UNKNOWN', message, { cause: error });
    }
  };
  return act(app, request, reply, { name: `schedule.${what}`, target: name, leadsTo: '/batches#schedules' }, done);
};
