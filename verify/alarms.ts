/**
 * Alarms of a batch against its predictions: what is served of each sensor that has something to say is folded again,
 * from the state before to the state after, and must come to what is on record. So, batch by batch, all alarms follow
 * from all predictions. Every change has one event, and every incident that was told was told as over once.
 */
import type { Link } from '../alarms/chain.ts';
import { within, type EvidenceItem, type Stretch } from '../alarms/evidence.ts';
import { alarmOf } from '../alarms/flags.ts';
import { openAlarms } from '../alarms/fold.ts';
import { ALARM_LIMITS } from '../batches/alarm-limits.ts';
import {
  changesOf,
  decidingOn,
  foldTurn,
  overlaps,
  rulesOf,
  servedStretch,
  spanOf,
  verdictOf,
  type DecideDeps,
  type TurnInput,
} from '../batches/decide-alarms.ts';
import { keptBlobs } from '../batches/kept-blobs.ts';
import type { AlarmRecord } from '../domain/alarm.ts';
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { SensorKey } from '../domain/sensor.ts';
import type { Period } from '../domain/time.ts';
import type { AlarmCandidate, AlarmChain, AlarmProgress, Batch, OutcomeRow, Store } from '../storage/store.ts';
import { outcomePages } from '../storage/pages.ts';
import type { Findings } from './findings.ts';

/** Sensors whose predictions are read again; of more only that something is on record. */
const MOST_READ = 500;
const PAGE = 5_000;
const WINDOWS_AT_ONCE = 10_000;
/** Notices are decided on just after alarms. */
const TOLD_AFTER_MS = 900_000;

export async function checkAlarms(given: DecideDeps, batch: Batch, findings: Findings, nowMs: number): Promise<void> {
  const { store } = given;
  // Many sensors share a file, and batches that overlap are read for each of them.
  const deps = { ...given, blobs: keptBlobs(given.blobs) };
  if (batch.manifest === undefined) return;
  const progress = await store.alarmProgress(batch.id);
  if (!progress.done) {
    findings.note('its alarms are not decided on yet, and were not compared');
    return;
  }
  const stored = await store.alarmRules();
  if (stored && stored.atMs > batch.finishedAtMs! - TOLD_AFTER_MS) {
    findings.note(
      `the rules of alarms changed since it was scored (version ${stored.version}): they were not compared`,
    );
    return;
  }
  const seen = new Set<number>();
  let left = 0;
  for (let after = 0, isLast = false; !isLast;) {
    const page = await store.alarmCandidates(batch.id, after, PAGE, { reordered: true });
    for (const candidate of page.candidates) {
      if (seen.size < MOST_READ)
        await unlessUnreadable(candidate, findings, () => checkSensor(deps, batch, progress, candidate, findings));
      else left += 1;
      await checkSensorEvents(deps, batch, candidate, findings, nowMs);
      seen.add(candidate.sensorId);
    }
    isLast = page.isLast;
    after = page.candidates.at(-1)?.sensorId ?? after;
  }
  let read = seen.size - left;
  for await (const page of outcomePages(store, batch.id, PAGE))
    for (const outcome of page) {
      if (outcome.anomalies === 0 || seen.has(outcome.sensorId)) continue;
      if (read < MOST_READ) await compareQuiet(deps, batch, progress, outcome, findings);
      else left += 1;
      read += 1;
    }
  if (left > 0)
    findings.note(`alarms of ${MOST_READ} sensors were compared with their predictions, of ${left} were not`);
}

/** Anomalies of which nothing is on record must be too few for an alarm, and for one that goes on after the batch. */
async function compareQuiet(
  deps: DecideDeps,
  batch: Batch,
  { others }: AlarmProgress,
  outcome: OutcomeRow,
  findings: Findings,
): Promise<void> {
  const { sensorId, device, sensor, anomalies } = outcome;
  const { store } = deps;
  const [model] = await store.listReleaseModels(batch.release, { after: sensorId - 1, limit: 1 });
  const windowMs = model?.sensorId === sensorId ? model.windowMs : undefined;
  const candidate = { ...outcome, ...defined({ windowMs }) };
  await unlessUnreadable(outcome, findings, async () => {
    const context = decidingOn(deps, batch, rulesOf(await store.alarmRules()), candidate);
    let entry: Link | undefined;
    for (let fromMs = batch.fromMs; fromMs < batch.toMs;) {
      const served = await servedStretch(context, { fromMs, toMs: batch.toMs }, verdictOf(candidate));
      const chain = { links: [], ...defined({ entry }) };
      const { chained } = await foldTurn(context, { others, chain, ...placeOf(fromMs, batch, chain) }, served);
      if (chained.live || chained.alarms.length > 0)
        return findings.found('alarms', `${device} / ${sensor} has ${anomalies} anomalies that alarms know nothing of`);
      entry = chained.put.at(-1) ?? entry;
      fromMs = served.toMs;
    }
  });
}

/** Where a turn begins; but for the first the chain before it is as it was decided on. */
const placeOf = (fromMs: number, batch: Period, { entry }: AlarmChain): Pick<TurnInput, 'fromMs' | 'unfinished'> =>
  fromMs === batch.fromMs ? { fromMs } : { fromMs, unfinished: { carried: [], ...defined({ was: entry?.state }) } };

/** A file that is lost or changed is found by another check: what rests on it cannot be compared. */
async function unlessUnreadable(
  { device, sensor }: SensorKey,
  findings: Findings,
  compare: () => Promise<void>,
): Promise<void> {
  try {
    await compare();
  } catch (error) {
    if (!(error instanceof FleetscoreError) || error.retryable) throw error;
    findings.note(`${device} / ${sensor}: its alarms were not compared: ${error.message}`);
  }
}

/** A turn at a time, each from what is on record before it to what is on record after it. */
async function checkSensor(
  deps: DecideDeps,
  batch: Batch,
  { others }: AlarmProgress,
  candidate: AlarmCandidate,
  findings: Findings,
): Promise<void> {
  const { store } = deps;
  const { sensorId, device, sensor } = candidate;
  const name = `${device} / ${sensor}`;
  const context = decidingOn(deps, batch, rulesOf(await store.alarmRules()), candidate);
  for (let fromMs = batch.fromMs; fromMs < batch.toMs;) {
    const [chain = { links: [] }] = await store.alarmChains([{ sensorId, fromMs }], deps.limits ?? ALARM_LIMITS);
    const served = await servedStretch(context, { fromMs, toMs: batch.toMs }, verdictOf(candidate));
    if (fromMs === batch.fromMs) {
      const why = await notComparable(store, batch, others, candidate, served, chain);
      if (why !== undefined) return findings.note(`${name}: ${why}`);
    }
    const place = placeOf(fromMs, batch, chain);
    const turn = await foldTurn(context, { others, chain, ...place }, asDecided(served, batch, chain.links));
    const [stored = []] = await store.alarmRecords([spanOf(turn)]);
    for (const { record, changes } of changesOf(turn, stored)) {
      const before = stored.find(({ id }) => id === record.id);
      if (before && changes.length === 0 && sameFacts(before, record)) continue;
      const said = changes.map(({ change }) => change).join(', ') || 'other facts';
      findings.found('alarms', `${name}: alarm ${record.id} (${record.kind}) is not what its predictions say: ${said}`);
    }
    fromMs = Math.min(served.toMs, chain.untilMs ?? served.toMs);
  }
}

/** Why what is served of a sensor cannot be compared with its alarms. */
async function notComparable(
  store: Store,
  batch: Batch,
  others: AlarmProgress['others'],
  { sensorId, windows }: AlarmCandidate,
  served: Stretch,
  { links }: AlarmChain,
): Promise<string | undefined> {
  if (served.items.length === 0 && overlaps(batch, others))
    return 'another batch looked at the same time, so its alarms were not compared';
  if (links.length > 0 || windows === 0) return undefined;
  const last = await store.lastWindowBefore(sensorId, batch.toMs);
  return last === undefined || last < batch.fromMs
    ? 'what its alarms rest on is pruned, so they were not compared'
    : undefined;
}

/** Windows that were not scored are in no file: they are taken from what was decided on. */
function asDecided(served: Stretch, { fromMs, toMs }: Period, links: readonly Link[]): Stretch {
  const own = links.filter((link) => link.fromMs >= fromMs && link.toMs <= toMs);
  const unscored = own.flatMap((link) => within(link, served).items.filter(([code]) => code === 4));
  if (unscored.length === 0) return served;
  const items = [...served.items, ...unscored].sort((a: EvidenceItem, b: EvidenceItem) => a[1] - b[1]);
  return { ...served, items };
}

/** But for what only says which batch saw it. */
const sameFacts = (a: AlarmRecord, b: AlarmRecord): boolean => {
  const plain = ({ facts, withdrawn }: AlarmRecord): string =>
    JSON.stringify([{ ...facts, firstBatch: '', lastBatch: '' }, withdrawn]);
  return plain(a) === plain(b);
};

/** Of alarms that lasted in the period of the batch, so many windows at a time. Later ones are of later batches. */
async function checkSensorEvents(
  { store, windows }: DecideDeps,
  { fromMs, toMs, finishedAtMs }: Batch,
  candidate: AlarmCandidate,
  findings: Findings,
  nowMs: number,
): Promise<void> {
  const { sensorId } = candidate;
  const [chain] = await store.alarmChains([{ sensorId, fromMs }], { links: 1, bytes: 1 });
  const starts = openAlarms(chain?.entry?.state).map(({ facts }) => facts.sinceMs);
  const stepMs = WINDOWS_AT_ONCE * windows.hopMs;
  for (let atMs = fromMs; atMs < toMs; atMs += stepMs) {
    const isFirst = atMs === fromMs;
    const periods = [{ fromMs: atMs, toMs: Math.min(toMs, atMs + stepMs) }];
    const [records = []] = await store.alarmRecords([{ sensorId, periods, starts: isFirst ? starts : [] }]);
    const own = records.filter(({ facts }) => isFirst || facts.sinceMs >= atMs);
    await checkEvents(store, { ...candidate, ...defined({ finishedAtMs }) }, own, findings, nowMs);
  }
}

async function checkEvents(
  store: Store,
  { device, sensor, finishedAtMs }: AlarmCandidate & Pick<Batch, 'finishedAtMs'>,
  records: readonly AlarmRecord[],
  findings: Findings,
  nowMs: number,
): Promise<void> {
  for (const record of records) {
    const name = `${device} / ${sensor}: alarm ${record.id}`;
    const flags = alarmOf(record, { device, sensor, unit: '' }, undefined, nowMs);
    const events = await store.alarmEvents({ alarmId: record.id });
    // The next batch may decide on it, or a person act, between the two reads.
    const now = await store.findAlarm(record.id, nowMs);
    if (now && now.version !== record.version) continue;
    // Those of alarms that are over and acknowledged are pruned before the alarm.
    if (events.length === 0 && !flags.retain) continue;
    const numbers = events.map(({ id }) => Number(id.split('.').at(-1)));
    if (events.length !== record.version || numbers.some((number, i) => number !== i + 1))
      findings.found('alarms', `${name} has ${events.length} events, its version is ${record.version}`);
    const last = events.at(-1);
    if (last && (last.active !== flags.active || last.acked !== flags.acked || last.severity !== record.facts.severity))
      findings.found('alarms', `${name} is not in the state that its newest event ${last.id} tells`);
    if (finishedAtMs !== undefined && finishedAtMs < nowMs - TOLD_AFTER_MS)
      await checkTold(store, record, name, findings);
  }
}

/** Openings and ends by turns; nothing left open of an incident that is over. */
async function checkTold(store: Store, record: AlarmRecord, name: string, findings: Findings): Promise<void> {
  const notices = (await store.noticesOfIncident(record.id)).filter(({ notice }) =>
    /^(opened|closed)$/.test(notice.what),
  );
  for (const [by, of] of Map.groupBy(notices, (one) => one.by)) {
    const turns = of.map(({ notice }) => notice.what);
    if (turns.some((what, i) => what !== (i % 2 === 0 ? 'opened' : 'closed')))
      findings.found('alarms', `${name} was told by ${by} as ${turns.join(', ')}: not by turns`);
    if (turns.length % 2 === 0) continue;
    const group = await store.listAlarms({ incident: record.incident });
    // What was taken out of service is told as over by the next batch.
    if (!group.some(({ active, withdrawn }) => active && !withdrawn))
      findings.found('alarms', `${name} is over, and was told by ${by} as begun alone`);
  }
}
