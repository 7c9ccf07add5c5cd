/**
 * The loop of one pool: look, decide, act, wait; for ever. Everything it must not forget is in its state and
 * goes on into the next run, so restarts of anything change nothing. Trouble of the outside is shown and tried
 * again at the next look; it never ends the loop.
 */
import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  condition,
  continueAsNew,
  isCancellation,
  patched,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { plainTime } from '../domain/time.ts';
import type { DecisionRecord } from '../pool/ledger.ts';
import {
  decisionRecord,
  observation,
  trackIdle,
  withWorkers,
  type IdleSince,
  type PoolActivities,
  type PoolView,
} from '../pool/loop.ts';
import { firstGuess, learn, withoutOldTasks, type Measured } from '../pool/measure.ts';
import { decide } from '../pool/policy.ts';
import { type Decision, type Observation, type PoolMode } from '../pool/policy-types.ts';
import { checkLimits, looksARun, type PoolLimits, type PoolSettings } from '../pool/settings.ts';
import { poolDetails } from './pool-details.ts';
import {
  configurePoolUpdate,
  drainPoolUpdate,
  pausePoolUpdate,
  poolQuery,
  resumePoolUpdate,
  setLimitsUpdate,
  type PoolState,
} from './pool-messages.ts';

/** What one run hands to the next. */
export interface CarriedState {
  readonly settings: PoolSettings;
  /** The configuration the settings came from. */
  readonly configured: PoolSettings;
  readonly mode: PoolMode;
  readonly measured: Measured;
  readonly idle: IdleSince;
  readonly notes: readonly string[];
  /** Limits that the outside was last told, or told us. */
  readonly appliedMaxNodes?: number;
  readonly throttledUntilMs?: number;
  readonly recorded?: DecisionRecord;
}

const SHOWN_NOTES = 8;
/** A decision that says nothing new is recorded this often. */
const RECORD_EVERY_MS = 60_000;

const RETRY = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '15s', maximumAttempts: 3 } as const;

/** What the handlers and the loop of one run share. */
interface Run {
  state: CarriedState;
  view?: PoolView;
  seen?: Observation;
  decision?: Decision;
  /** Somebody changed the settings or the mode since the last look began. */
  changed: boolean;
}

/** @param settings where the pool begins; @param carried state of the run before */
export async function scalePool(settings: PoolSettings, carried?: CarriedState): Promise<never> {
  const run: Run = {
    state: carried ?? {
      settings,
      configured: settings,
      mode: 'active',
      measured: firstGuess(settings),
      idle: {},
      notes: [],
    },
    changed: false,
  };
  const activities = activitiesOf(run.state.settings.activityQueue);
  setHandler(poolQuery, () => shown(run));
  obey(run);
  for (let looks = 0; looks < looksARun(run.state.settings) && !workflowInfo().continueAsNewSuggested; looks += 1) {
    run.changed = false;
    try {
      await look(run, activities);
    } catch (error) {
      if (isCancellation(error)) throw error;
      note(run, reasonOf(error));
    }
    setCurrentDetails(poolDetails(shown(run)));
    await condition(() => run.changed, run.decision?.waitMs ?? run.state.settings.quietPollMs);
  }
  await condition(allHandlersFinished);
  return continueAsNew<typeof scalePool>(run.state.settings, run.state);
}

/** An activity that nobody takes within a minute: the process that owns the pool is away. */
function activitiesOf(taskQueue: string): PoolActivities {
  const options = { taskQueue, scheduleToStartTimeout: '1m', retry: RETRY } as const;
  const { observePool, actOnPool } = proxyActivities<PoolActivities>({
    ...options,
    startToCloseTimeout: '2m',
    heartbeatTimeout: '30s',
  });
  const { preparePool } = proxyActivities<PoolActivities>({
    ...options,
    startToCloseTimeout: '30m',
    heartbeatTimeout: '1m',
  });
  return { observePool, actOnPool, preparePool };
}

/** The answer of the query. */
function shown({ state, view, seen, decision }: Run): PoolState {
  const busy = new Map(
    (view?.workers ?? []).flatMap((worker) =>
      worker.node === undefined ? [] : [[worker.node, worker.busyTasks] as const],
    ),
  );
  const { spinUpMs, spinUps, sensorsPerSecond, speeds, failures } = state.measured;
  return {
    settings: state.settings,
    mode: state.mode,
    notes: state.notes,
    measured: { spinUpMs, spinUps, sensorsPerSecond, speeds, failures },
    nodes: view
      ? withWorkers(view).map((node) => (busy.has(node.id) ? { ...node, busyTasks: busy.get(node.id)! } : node))
      : [],
    ...(seen && decision ? { seen: decisionRecord(seen, decision), decision } : {}),
  };
}

function note(run: Run, text: string): void {
  const { state } = run;
  if (state.notes.at(-1)?.endsWith(text)) return;
  run.state = {
    ...state,
    notes: [...state.notes, `${plainTime(Math.floor(Date.now() / 1_000) * 1_000)} ${text}`].slice(-SHOWN_NOTES),
  };
}

/** Takes the updates of people and of the configuration. */
function obey(run: Run): void {
  const change = (part: Partial<CarriedState>): void => {
    run.state = { ...run.state, ...part };
    run.changed = true;
  };
  setHandler(
    setLimitsUpdate,
    (limits) => {
      change({ settings: { ...run.state.settings, ...limits } });
      return limitsOf(run.state.settings);
    },
    { validator: (limits) => refuse(() => checkChange(run.state.settings, limits)) },
  );
  const enter = (mode: PoolMode) => (): void => change({ mode });
  setHandler(pausePoolUpdate, enter('paused'));
  setHandler(resumePoolUpdate, enter('active'));
  setHandler(drainPoolUpdate, enter('draining'));
  setHandler(
    configurePoolUpdate,
    (next) => {
      const { configured, settings } = run.state;
      const news = Object.entries(next).filter(([key, value]) => configured[key as keyof PoolSettings] !== value);
      change({ configured: next, settings: checkLimits({ ...settings, ...Object.fromEntries(news) }) });
    },
    { validator: (next) => refuse(() => checkLimits(next)) },
  );
}

/**
 * One look at the pool, and what follows from it. Updates may come at every await: `run.state` is read anew after it.
 */
async function look(run: Run, { preparePool, observePool, actOnPool }: PoolActivities): Promise<void> {
  if (run.state.appliedMaxNodes !== run.state.settings.maxNodes) {
    const { maxNodes } = run.state.settings;
    for (const text of await preparePool(run.state.settings)) note(run, text);
    run.state = { ...run.state, appliedMaxNodes: maxNodes };
  }
  const view = await observePool(run.state.settings);
  run.view = view;
  adopt(run, view);
  for (const text of view.notes) note(run, text);
  const { state } = run;
  const idle = trackIdle(state.idle, view);
  let seen = observation(view, idle, state.measured, state.settings, state.throttledUntilMs);
  run.seen = seen;
  // Guards a decision, and with it the order of commands: pools that ran before replay as they were.
  if (patched('old-tasks')) seen = withoutOldTasks(seen, state.measured);
  const measured = learn(state.measured, { ...view, workers: seen.workers, nodes: withWorkers(view) });
  seen = {
    ...seen,
    spinUpMs: measured.spinUpMs,
    sensorsPerSecond: measured.sensorsPerSecond,
    failures: measured.failures,
  };
  run.seen = seen;
  run.state = { ...state, idle, measured };
  run.decision = decide(seen, run.state.settings, run.state.mode, { readyStay: patched('ready-stay') });
  await act(run, seen, run.decision, actOnPool);
}

/** Limits that were changed outside are taken over: whoever set them meant it. */
function adopt(run: Run, { outside }: PoolView): void {
  const { settings, appliedMaxNodes } = run.state;
  if (outside?.maxNodes === undefined || outside.maxNodes === appliedMaxNodes) return;
  note(run, `maxNodes was changed outside from ${settings.maxNodes} to ${outside.maxNodes}: taken over`);
  run.state = {
    ...run.state,
    appliedMaxNodes: outside.maxNodes,
    settings: { ...settings, maxNodes: outside.maxNodes, minNodes: Math.min(settings.minNodes, outside.maxNodes) },
  };
}

async function act(run: Run, seen: Observation, next: Decision, actOnPool: PoolActivities['actOnPool']): Promise<void> {
  const { settings, recorded } = run.state;
  const record = decisionRecord(seen, next);
  const acts = next.grow > 0 || next.cancel.length > 0 || next.drain.length > 0;
  if (!acts && !isNews(recorded, record)) return;
  const grow = Array.from({ length: next.grow }, () => `${settings.name}-${uuid4().slice(0, 13)}`);
  const { problem, throttledUntilMs } = await actOnPool({
    settings,
    grow,
    cancel: next.cancel,
    drain: next.drain,
    record,
  });
  if (problem !== undefined) note(run, problem);
  run.state = { ...run.state, recorded: record, ...defined({ throttledUntilMs }) };
}

function isNews(last: DecisionRecord | undefined, now: DecisionRecord): boolean {
  if (!last || now.atMs - last.atMs >= RECORD_EVERY_MS) return true;
  return (['target', 'ready', 'busy', 'coming', 'backlog', 'sensorsToGo', 'batches'] as const).some(
    (key) => last[key] !== now[key],
  );
}

function limitsOf(settings: PoolSettings): PoolLimits {
  const { minNodes, maxNodes, idleMs, keepWarm, finishWithinMs, marginMs } = settings;
  return { minNodes, maxNodes, idleMs, keepWarm, finishWithinMs, marginMs };
}

function checkChange(settings: PoolSettings, limits: Partial<PoolLimits>): void {
  const known = limitsOf(settings);
  for (const name of Object.keys(limits))
    if (!(name in known))
      throw new FleetscoreError(
        'INVALID_LIMITS',
        `${JSON.stringify(name)} is not a limit of a pool. Known: ${Object.keys(known).join(', ')}.`,
      );
  checkLimits({ ...known, ...limits });
}

/** A wrong update is refused with its reason; it must not fail the workflow's task. */
function refuse(check: () => unknown): void {
  try {
    check();
  } catch (error) {
    if (error instanceof FleetscoreError) throw ApplicationFailure.nonRetryable(error.message, error.code);
    throw error;
  }
}

function reasonOf(error: unknown): string {
  const cause = error instanceof ActivityFailure ? (error.cause ?? error) : error;
  const text = cause instanceof Error ? cause.message : String(cause);
  return /schedule.?to.?start/i.test(text)
    ? 'nobody serves the activities of this pool now: is the process that owns its nodes running?'
    : text;
}
