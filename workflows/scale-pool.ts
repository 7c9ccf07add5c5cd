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
import { decide, type Decision, type Observation, type PoolMode } from '../pool/policy.ts';
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

/** @param settings where the pool begins; @param carried state of the run before */
export async function scalePool(settings: PoolSettings, carried?: CarriedState): Promise<never> {
  let state: CarriedState = carried ?? {
    settings,
    configured: settings,
    mode: 'active',
    measured: firstGuess(settings),
    idle: {},
    notes: [],
  };
  let seen: Observation | undefined;
  let decision: Decision | undefined;
  let view: PoolView | undefined;
  let changed = false;

  // An activity that nobody takes within a minute: the process that owns the pool is away.
  const taskQueue = state.settings.activityQueue;
  const { observePool, actOnPool } = proxyActivities<PoolActivities>({
    taskQueue,
    startToCloseTimeout: '2m',
    heartbeatTimeout: '30s',
    scheduleToStartTimeout: '1m',
    retry: RETRY,
  });
  const { preparePool } = proxyActivities<PoolActivities>({
    taskQueue,
    startToCloseTimeout: '30m',
    heartbeatTimeout: '1m',
    scheduleToStartTimeout: '1m',
    retry: RETRY,
  });

  const shown = (): PoolState => {
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
  };
  const note = (text: string): void => {
    if (state.notes.at(-1)?.endsWith(text)) return;
    state = {
      ...state,
      notes: [...state.notes, `${plainTime(Math.floor(Date.now() / 1_000) * 1_000)} ${text}`].slice(-SHOWN_NOTES),
    };
  };
  const change = (part: Partial<CarriedState>): void => {
    state = { ...state, ...part };
    changed = true;
  };

  setHandler(poolQuery, shown);
  setHandler(
    setLimitsUpdate,
    (limits) => {
      change({ settings: { ...state.settings, ...limits } });
      return limitsOf(state.settings);
    },
    { validator: (limits) => refuse(() => checkChange(state.settings, limits)) },
  );
  const enter = (mode: PoolMode) => (): void => change({ mode });
  setHandler(pausePoolUpdate, enter('paused'));
  setHandler(resumePoolUpdate, enter('active'));
  setHandler(drainPoolUpdate, enter('draining'));
  setHandler(
    configurePoolUpdate,
    (next) => {
      const news = Object.entries(next).filter(([key, value]) => state.configured[key as keyof PoolSettings] !== value);
      change({ configured: next, settings: checkLimits({ ...state.settings, ...Object.fromEntries(news) }) });
    },
    { validator: (next) => refuse(() => checkLimits(next)) },
  );

  for (let looks = 0; looks < looksARun(state.settings) && !workflowInfo().continueAsNewSuggested; looks += 1) {
    changed = false;
    try {
      if (state.appliedMaxNodes !== state.settings.maxNodes) {
        const { maxNodes } = state.settings;
        for (const text of await preparePool(state.settings)) note(text);
        state = { ...state, appliedMaxNodes: maxNodes };
      }
      view = await observePool(state.settings);
      adopt(view);
      for (const text of view.notes) note(text);
      const idle = trackIdle(state.idle, view);
      seen = observation(view, idle, state.measured, state.settings, state.throttledUntilMs);
      // Guards a decision, and with it the order of commands: pools that ran before replay as they were.
      if (patched('old-tasks')) seen = withoutOldTasks(seen, state.measured);
      const measured = learn(state.measured, { ...view, workers: seen.workers, nodes: withWorkers(view) });
      seen = {
        ...seen,
        spinUpMs: measured.spinUpMs,
        sensorsPerSecond: measured.sensorsPerSecond,
        failures: measured.failures,
      };
      state = { ...state, idle, measured };
      decision = decide(seen, state.settings, state.mode, { readyStay: patched('ready-stay') });
      await act(seen, decision);
    } catch (error) {
      if (isCancellation(error)) throw error;
      note(reasonOf(error));
    }
    setCurrentDetails(poolDetails(shown()));
    await condition(() => changed, decision?.waitMs ?? state.settings.quietPollMs);
  }
  await condition(allHandlersFinished);
  return continueAsNew<typeof scalePool>(state.settings, state);

  /** Limits that were changed outside are taken over: whoever set them meant it. */
  function adopt({ outside }: PoolView): void {
    if (outside?.maxNodes === undefined || outside.maxNodes === state.appliedMaxNodes) return;
    note(`maxNodes was changed outside from ${state.settings.maxNodes} to ${outside.maxNodes}: taken over`);
    const minNodes = Math.min(state.settings.minNodes, outside.maxNodes);
    state = {
      ...state,
      appliedMaxNodes: outside.maxNodes,
      settings: { ...state.settings, maxNodes: outside.maxNodes, minNodes },
    };
  }

  async function act(now: Observation, next: Decision): Promise<void> {
    const record = decisionRecord(now, next);
    const acts = next.grow > 0 || next.cancel.length > 0 || next.drain.length > 0;
    const news = acts || isNews(state.recorded, record);
    if (!news) return;
    const grow = Array.from({ length: next.grow }, () => `${state.settings.name}-${uuid4().slice(0, 13)}`);
    const result = await actOnPool({ settings: state.settings, grow, cancel: next.cancel, drain: next.drain, record });
    if (result.problem !== undefined) note(result.problem);
    state = {
      ...state,
      recorded: record,
      ...(result.throttledUntilMs === undefined ? {} : { throttledUntilMs: result.throttledUntilMs }),
    };
  }
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
