/**
 * Decides on the alarms of a closed batch: of the few sensors that have something to say, a slice at a time, in memory
 * that grows neither with the fleet nor with the windows of a sensor. What is decided on is the evidence in the store;
 * where batches overlap, come in another order than their periods, or have too much of it, it is read back from
 * predictions files. Run again it does what is left.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { DAY_MS } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { AlarmCandidate, AlarmProgress, Batch, DecidedSensor, Store } from '../storage/store.ts';
import type { RaisedAlarms } from '../workflows/activities.ts';
import type { AlarmRules } from '../alarms/rules.ts';
import { ALARM_LIMITS, type AlarmLimits } from './alarm-limits.ts';
import { inTurn } from './alarm-turns.ts';
import { defined } from '../domain/defined.ts';
import {
  decidedOf,
  decidingOn,
  foldTurn,
  rulesOf,
  type DecideDeps,
  type Deciding,
  type Turn,
} from './decide-alarms.ts';
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
  /** @default ALARM_LIMITS */
  readonly limits?: AlarmLimits;
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
  if (raised.sensors > 0) await groupAlarms(deps.store, batch);
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
  const slicing = await slicingOf(given, batchId);
  let raised: RaisedAlarms = { sensors: 0, activated: 0, cleared: 0 };
  if (!slicing) return raised;
  for (;;) {
    const slice = await nextSlice(slicing, (left) => endPlace(given, left));
    raised = added(raised, slice);
    if (slice.done) return raised;
  }
}

async function slicingOf(given: RaiseDeps, batchId: string): Promise<Slicing | undefined> {
  const { store, windows, now, limits = ALARM_LIMITS } = given;
  const batch = await store.findBatch(batchId);
  // A batch without a manifest predicted nothing that anybody reads.
  if (batch?.manifest === undefined || !windows) return undefined;
  return {
    deps: { store, windows, blobs: keptBlobs(given.blobs), now, limits },
    batch,
    rules: rulesOf(await store.alarmRules()),
    reading: new Map(),
    passed: new Set(),
  };
}

/** @param end brings a sensor to its end that another batch is in the middle of */
async function nextSlice(slicing: Slicing, end: (left: Left) => Promise<void>): Promise<Slice> {
  const { deps, batch, passed } = slicing;
  for (let lost = 0; lost < TRIES;) {
    const slice = await inTurn(deps.store, () => decideSlice(slicing));
    if (slice === 'lost') lost += 1;
    else if ('left' in slice) {
      // Where it cannot be done this batch goes on all the same: the other one says why when its own turn comes.
      await end(slice.left).catch(() => passed.add(slice.left.batchId));
    } else return slice;
  }
  throw new FleetscoreError(
    'STORE_UNAVAILABLE',
    `alarms of batch ${batch.id} were changed by others ${TRIES} times while they were decided on. ` +
      'They are decided on again later.',
    { retryable: true },
  );
}

/** A sensor that another batch is in the middle of. */
interface Left {
  readonly batchId: string;
  readonly sensorId: number;
}

/** Between its turns the chain of a sensor is of two minds: whoever comes to it ends that first. */
async function endPlace(given: RaiseDeps, { batchId, sensorId }: Left): Promise<void> {
  const slicing = await slicingOf(given, batchId);
  for (;;) {
    const { at, after } = await given.store.alarmProgress(batchId);
    if (!slicing || !at || after + 1 !== sensorId) return;
    await nextSlice(slicing, () => Promise.reject(new Error('only one is ended at a time')));
  }
}

interface Slicing {
  readonly deps: DecideDeps & Pick<RaiseDeps, 'now'> & { readonly limits: AlarmLimits };
  readonly batch: Batch;
  readonly rules: AlarmRules;
  /** Of the sensor that takes several turns what is read of it: the next turn goes on with it. */
  readonly reading: Map<number, Deciding>;
  /** Batches in the middle of a sensor that could not be ended. */
  readonly passed: Set<string>;
}

interface Slice {
  readonly decided: readonly DecidedSensor[];
  /** Sensors that are decided on to their end. */
  readonly sensors: number;
  readonly done: boolean;
}

/**
 * The next sensors of a batch. `lost`: alarms were changed by somebody else meanwhile, and nothing is written; `left`:
 * another batch is in the middle of one of them.
 */
async function decideSlice(slicing: Slicing): Promise<Slice | 'lost' | { readonly left: Left }> {
  const { deps, batch } = slicing;
  const { store } = deps;
  const progress = await store.alarmProgress(batch.id);
  const { after, at: from, epoch, others } = progress;
  if (progress.done) return { decided: [], sensors: 0, done: true };
  const { candidates, isLast } =
    from === undefined
      ? await store.alarmCandidates(batch.id, after, SLICE, { reordered: others.length > 0 })
      : await store.alarmCandidates(batch.id, after, 1, { next: true });
  const places = await store.alarmPlaces(batch.id);
  const left = places.find(
    (place) => !slicing.passed.has(place.batchId) && candidates.some(({ sensorId }) => sensorId === place.sensorId),
  );
  if (left) return { left };
  const turns = await foldedTurns(slicing, candidates, progress);
  const last = turns.at(-1);
  const nextMs = last?.chained.nextMs;
  const done = nextMs === undefined && from === undefined && isLast && turns.length === candidates.length;
  const lastId = last?.context.candidate.sensorId ?? after + 1;
  const upTo = done ? MAX_ID : lastId - Number(nextMs !== undefined);
  const { sensors, at } = await decidedOf(store, turns);
  const slice = { batchId: batch.id, epoch, upTo, done, sensors, receivedMs: deps.now(), ...defined({ at }) };
  if (!(await store.commitAlarmSlice(slice))) return 'lost';
  slicing.reading.clear();
  if (last && nextMs !== undefined) slicing.reading.set(lastId, last.context);
  return { decided: sensors, sensors: turns.length - Number(nextMs !== undefined), done };
}

/** As many of the candidates as fit one turn; of the last one of them a part, if need be. */
async function foldedTurns(
  { deps, batch, rules, reading }: Slicing,
  candidates: readonly AlarmCandidate[],
  { at, others }: AlarmProgress,
): Promise<Turn[]> {
  const fromMs = at?.ms ?? batch.fromMs;
  const asked = candidates.map(({ sensorId }) => ({ sensorId, fromMs }));
  const chains = await deps.store.alarmChains(asked, deps.limits);
  const turns: Turn[] = [];
  let items = 0;
  for (const [i, chain] of chains.entries()) {
    const candidate = candidates[i]!;
    const context = reading.get(candidate.sensorId) ?? decidingOn(deps, batch, rules, candidate);
    const turn = await foldTurn(context, { others, fromMs, chain, ...defined({ unfinished: at }) });
    turns.push(turn);
    items += turn.chained.put.reduce((sum, link) => sum + link.items.length, 0);
    if (turn.chained.nextMs !== undefined || items >= deps.limits.items) break;
    await nextTurn();
  }
  return turns;
}

/** The largest id of a sensor. */
const MAX_ID = 2 ** 31 - 1;

function added(raised: RaisedAlarms, { decided, sensors }: Slice): RaisedAlarms {
  const changes = decided.flatMap(({ alarms }) => alarms.flatMap((alarm) => alarm.changes));
  const of = (what: string): number => changes.filter(({ change }) => change === what).length;
  return {
    sensors: raised.sensors + sensors,
    activated: raised.activated + of('activated'),
    cleared: raised.cleared + of('cleared'),
  };
}
