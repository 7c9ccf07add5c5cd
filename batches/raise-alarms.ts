/**
 * Decides on the alarms of a closed batch: of the few sensors that have something to say, a slice at a time, in memory
 * that does not grow with the fleet. What is decided on is the evidence in the store; where batches overlap, or come in
 * another order than their periods, it is read back from predictions files. Run again it does what is left.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { DAY_MS } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Batch, DecidedSensor, Store } from '../storage/store.ts';
import type { RaisedAlarms } from '../workflows/activities.ts';
import type { AlarmRules } from '../alarms/rules.ts';
import { inTurn } from './alarm-turns.ts';
import { defined } from '../domain/defined.ts';
import { decide, rulesOf, type DecideDeps } from './decide-alarms.ts';
import { groupAlarms } from './group-alarms.ts';
import { keptBlobs } from './kept-blobs.ts';
import { sendDue, tellAlarms, type DecidedOn, type Senders, type TellDeps } from './tell-alarms.ts';

export interface RaiseDeps {
  readonly store: Store;
  readonly blobs: BlobStore;
  /** Absent where nothing is known of windows: then nothing is decided on. */
  readonly windows?: WindowShape;
  readonly now: () => number;
  /** Ways to tell of alarms; absent: nobody is told. */
  readonly senders?: Senders;
  readonly warn?: (message: string) => void;
  /** As in {@link TellDeps}. */
  readonly sendMs?: number;
}

/** Sensors that are decided on in one transaction. */
const SLICE = 500;
/** How often a slice is decided on anew because somebody else changed alarms meanwhile. */
const TRIES = 50;

/**
 * Batches whose turn was lost with a worker are looked for so far back, and no sooner than their own try has an end.
 */
const LOST_SINCE_MS = 2 * DAY_MS;
const LOST_AFTER_MS = 900_000;
const LOST_AT_ONCE = 10;

/** Decides on the alarms of a batch, and of others that were left. */
export async function raiseAlarms(deps: RaiseDeps, batchId: string): Promise<RaisedAlarms> {
  const raised = await raiseOf(deps, batchId);
  const nowMs = deps.now();
  const lost = await deps.store.undecidedAlarmBatches(nowMs - LOST_SINCE_MS, nowMs - LOST_AFTER_MS, LOST_AT_ONCE);
  for (const id of lost) await raiseOf(deps, id);
  const batch = await deps.store.findBatch(batchId);
  if (!batch) return raised;
  if (raised.sensors > 0) await groupAlarms(deps.store, batch, nowMs);
  await tell(deps, batch, lost);
  return raised;
}

/** Also by a second try of this batch: the first may have died before it told anybody. Ids are the same. */
async function tell(deps: RaiseDeps, batch: Batch, lost: readonly string[]): Promise<void> {
  if (!deps.senders) return;
  const { store, warn } = tellDeps(deps);
  try {
    const others = await Promise.all(lost.map((id) => store.findBatch(id)));
    const periods = [batch, ...others.filter((one) => one !== undefined)];
    await tellOf(deps, {
      batches: periods.map(({ id }) => id),
      fromMs: Math.min(...periods.map(({ fromMs }) => fromMs)),
      toMs: Math.max(...periods.map(({ toMs }) => toMs)),
    });
  } catch (error) {
    warn(`nobody was told of the alarms of batch ${batch.id}: ${messageOf(error)}`);
  }
}

/** Tells of what was decided on just now, where the rules ask for it. */
export async function tellOf(deps: RaiseDeps, decided: DecidedOn): Promise<void> {
  if (!deps.senders) return;
  const { notify } = rulesOf(await deps.store.alarmRules());
  if (notify) await tellAlarms(tellDeps(deps), decided, notify);
}

/** Sends what waited for the end of quiet hours, of a digest, or of trouble. */
export async function tellWaiting(deps: RaiseDeps): Promise<void> {
  const { notify = [] } = rulesOf(await deps.store.alarmRules());
  await Promise.all(notify.map((settings) => sendDue(tellDeps(deps), settings)));
}

const tellDeps = ({ store, senders = {}, warn = () => undefined, now, sendMs }: RaiseDeps): TellDeps => ({
  store,
  senders,
  warn,
  now,
  ...defined({ sendMs }),
});

async function raiseOf(given: RaiseDeps, batchId: string): Promise<RaisedAlarms> {
  const { store, windows } = given;
  const batch = await store.findBatch(batchId);
  // A batch without a manifest predicted nothing that anybody reads.
  if (batch?.manifest === undefined || !windows) return { sensors: 0, activated: 0, cleared: 0 };
  const rules = rulesOf(await store.alarmRules());
  const deps = { store, windows, blobs: keptBlobs(given.blobs), now: given.now };
  let raised: RaisedAlarms = { sensors: 0, activated: 0, cleared: 0 };
  for (let lost = 0; ;) {
    const slice = await inTurn(store, () => decideSlice(deps, batch, rules));
    if (slice === 'lost') lost += 1;
    else {
      raised = added(raised, slice.sensors);
      lost = 0;
      if (slice.done) return raised;
    }
    if (lost >= TRIES)
      throw new FleetscoreError(
        'STORE_UNAVAILABLE',
        `alarms of batch ${batchId} were changed by others ${TRIES} times while they were decided on. ` +
          'They are decided on again later.',
        { retryable: true },
      );
  }
}

/** The next sensors of a batch. `lost`: alarms were changed by somebody else meanwhile, and nothing is written. */
async function decideSlice(
  deps: DecideDeps & Pick<RaiseDeps, 'now'>,
  batch: Batch,
  rules: AlarmRules,
): Promise<{ readonly sensors: readonly DecidedSensor[]; readonly done: boolean } | 'lost'> {
  const { store } = deps;
  const progress = await store.alarmProgress(batch.id);
  if (progress.done) return { sensors: [], done: true };
  const candidates = await store.alarmCandidates(batch.id, progress.after, SLICE, {
    reordered: progress.others.length > 0,
  });
  const sensors: DecidedSensor[] = [];
  for (const candidate of candidates) {
    sensors.push(await decide(deps, batch, rules, progress, candidate));
    await nextTurn();
  }
  const done = candidates.length < SLICE;
  const upTo = done ? MAX_ID : candidates.at(-1)!.sensorId;
  const { epoch } = progress;
  const slice = { batchId: batch.id, epoch, upTo, done, sensors, receivedMs: deps.now() };
  return (await store.commitAlarmSlice(slice)) ? { sensors, done } : 'lost';
}

/** The largest id of a sensor. */
const MAX_ID = 2 ** 31 - 1;

function added(raised: RaisedAlarms, sensors: readonly DecidedSensor[]): RaisedAlarms {
  const changes = sensors.flatMap(({ alarms }) => alarms.flatMap((alarm) => alarm.changes));
  const of = (what: string): number => changes.filter(({ change }) => change === what).length;
  return {
    sensors: raised.sensors + sensors.length,
    activated: raised.activated + of('activated'),
    cleared: raised.cleared + of('cleared'),
  };
}
