/**
 * The processes of a stack while it starts, runs and ends. Once it ends nothing new starts, so that a start that
 * was given up leaves nothing behind, however far it had come.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { carryLogs, type CarriedLogs } from './carried-logs.ts';
import { untilReady, type startChild, type StackChild } from './child.ts';

type Child = ReturnType<typeof startChild>;

const WORKERS: ReadonlySet<string> = new Set(['ingest worker', 'control worker', 'scoring worker']);

/** Between the death of a worker and its replacement; doubles up to the longest. */
const RESTART_MS = 500;
const MAX_RESTART_MS = 30_000;

/** How long each kind gets to end by itself. */
interface Grace {
  readonly workersMs?: number;
  readonly serversMs?: number;
  readonly othersMs?: number;
}

/** Without one of the servers, or before all was up, there is little to drain: what was under way is done again. */
export const SHORT_GRACE: Grace = { workersMs: 3_000, serversMs: 3_000, othersMs: 2_000 };

export interface Parts {
  readonly logs: CarriedLogs;
  /** Aborted when the stack ends. */
  readonly ending: AbortSignal;
  /** Starts a process, which is ended with the others. @throws FleetscoreError `STACK_ENDING` */
  start<C extends StackChild>(startOne: () => C): C;
  /** Something that ends before the processes do. */
  before(stop: () => Promise<void>): void;
  stop(grace?: Grace): Promise<void>;
}

export function openParts(): Parts {
  const children: StackChild[] = [];
  const first: (() => Promise<void>)[] = [];
  const logs = carryLogs();
  const ending = new AbortController();
  const stopAll = (workers: boolean, graceMs: number | undefined): Promise<unknown> =>
    Promise.all(children.filter((child) => WORKERS.has(child.name) === workers).map((child) => child.stop(graceMs)));
  return {
    logs,
    ending: ending.signal,
    start(startOne) {
      if (ending.signal.aborted) throw new FleetscoreError('STACK_ENDING', 'the stack ends.');
      const child = startOne();
      children.push(child);
      void child.ended.then(() => children.splice(children.indexOf(child), 1));
      return child;
    },
    before(stop) {
      if (ending.signal.aborted) void stop().catch(() => {});
      else first.push(stop);
    },
    async stop(grace = {}) {
      ending.abort();
      await within(grace.othersMs, Promise.allSettled(first.map((stop) => stop())));
      // Workers drain while the servers still answer.
      await stopAll(true, grace.workersMs);
      await within(grace.othersMs, logs.close());
      await stopAll(false, grace.serversMs);
    },
  };
}

async function within(ms: number | undefined, work: Promise<unknown>): Promise<void> {
  const settled = work.catch(() => {});
  await (ms === undefined ? settled : Promise.race([settled, sleep(ms, undefined, { ref: false })]));
}

/** Starts a worker, waits until it is ready, and replaces it whenever it dies. */
export async function superviseWorker(
  startOne: () => Child,
  index: number,
  parts: Parts,
  log: (line: string) => void,
  timeoutMs: number,
): Promise<void> {
  const first = parts.start(startOne);
  await untilReady(first, timeoutMs);
  void (async () => {
    let delay = RESTART_MS;
    for (let child = first; ;) {
      const startedAt = Date.now();
      const how = await child.ended;
      if (parts.ending.aborted) return;
      if (Date.now() - startedAt > MAX_RESTART_MS) delay = RESTART_MS;
      log(`${child.name} ${index} ended (${how}); starting it again`);
      await sleep(delay, undefined, { ref: false });
      if (parts.ending.aborted) return;
      delay = Math.min(delay * 2, MAX_RESTART_MS);
      child = parts.start(startOne);
    }
  })().catch((error: unknown) => log(`a worker cannot be started again: ${messageOf(error)}`));
}
