/** What `fleetscore status --json` gives of a look: one JSON document. Pure. */
import { readingsWait } from '../../storage/store.ts';
import { isoTime } from '../../domain/time.ts';
import type { Batch } from '../../storage/store.ts';
import type { Look, PoolSeen, RunningSeen } from './seen.ts';
import { living } from './page-pools.ts';
import { changed, partsOf, stalled, unheld } from './parts.ts';
import { readingRate, sensorRate, timeLeft } from './rates.ts';

/** The look as one JSON document. */
export function statusData(look: Look, before: readonly Look[]) {
  const { sensors = null, retired = null, release = null } = look.store.value ?? {};
  return {
    at: isoTime(look.atMs),
    parts: Object.fromEntries(
      partsOf(look).map(([name, answer]) => [
        name,
        { answers: answer.problem === undefined, problem: answer.problem ?? null },
      ]),
    ),
    sensors,
    retired,
    release,
    workers: look.temporal.value?.workers ?? null,
    stuck: look.temporal.value?.stuck ?? null,
    schedules:
      look.temporal.value?.schedules.map(({ name, paused, nextMs }) => ({
        name,
        paused,
        next: nextMs === undefined ? null : isoTime(nextMs),
        notScored: look.notScored.value?.get(name) ?? null,
        last: lastOf(look.store.value?.bySchedule.get(name)),
      })) ?? null,
    running: look.running.value?.map((batch) => runningData(batch, look, before)) ?? null,
    pools: look.pools.value?.map(poolData) ?? null,
    ingest: ingestData(look, before),
    failures:
      look.store.value?.failures.map(({ batch, device = null, sensor = null, class: why, message }) => ({
        batch,
        device,
        sensor,
        class: why,
        message,
      })) ?? null,
    last: look.store.value?.last.map(endedData) ?? null,
    drop: dropData(look),
  };
}

const dropData = ({ store }: Look): object | null => store.value?.dropped ?? null;

const lastOf = (batch: Batch | undefined): object | null =>
  batch ? { batch: batch.id, status: batch.status, class: batch.class ?? null, message: batch.message ?? null } : null;

const poolData = ({ name, loop: { value: state, problem } }: PoolSeen) => ({
  name,
  problem: problem ?? null,
  ...(state
    ? {
        mode: state.mode,
        nodes: living(state),
        minNodes: state.settings.minNodes,
        maxNodes: state.settings.maxNodes,
        target: state.decision?.target ?? null,
        reason: state.decision?.reason ?? null,
        ready: state.seen?.ready ?? null,
        busy: state.seen?.busy ?? null,
        coming: state.seen?.coming ?? null,
        backlogTasks: state.seen?.backlog ?? null,
        sensorsToGo: state.seen?.sensorsToGo ?? null,
      }
    : { mode: null }),
});

function runningData(batch: RunningSeen, look: Look, before: readonly Look[]) {
  const rate = sensorRate(batch, look, before);
  const left = timeLeft(batch, rate);
  return {
    batch: batch.id,
    from: isoTime(batch.fromMs),
    to: isoTime(batch.toMs),
    phase: batch.phase,
    lost: batch.lost ?? null,
    paused: batch.paused,
    planned: batch.planned,
    done: batch.done,
    failed: batch.failed,
    anomalies: batch.anomalies,
    sensorsPerSecond: rate ?? null,
    secondsLeft: left === undefined ? null : left / 1000,
  };
}

function ingestData(look: Look, before: readonly Look[]) {
  const states = look.ingest.value;
  if (!states) return null;
  const room = look.store.value?.room;
  const marks = states.map((state) => state.watermarkMs).filter((ms) => ms >= 0);
  const sum = (of: (state: NonNullable<typeof states>[number]) => number): number =>
    states.reduce((total, state) => total + of(state), 0);
  return {
    partitions: states.length,
    lagEvents: states.some((state) => state.lagEvents !== undefined) ? sum((state) => state.lagEvents ?? 0) : null,
    waitsForDisk: room ? readingsWait(room) : false,
    stalledPartitions: stalled(look),
    unheldPartitions: look.holders ? unheld(look) : null,
    changedPartitions: changed(look).map(({ partition, problem }) => ({ partition, problem })),
    watermarkAgeSeconds: marks.length === 0 ? null : (look.atMs - Math.min(...marks)) / 1000,
    readingsPerSecond: readingRate(look, before) ?? null,
    readings: sum((state) => state.readings),
    late: sum((state) => state.late),
    dead: sum((state) => state.dead),
  };
}

const endedData = (b: Batch) => ({
  batch: b.id,
  from: isoTime(b.fromMs),
  to: isoTime(b.toMs),
  status: b.status,
  planned: b.planned,
  ...b.counts,
  seconds: b.finishedAtMs === undefined ? null : (b.finishedAtMs - b.startedAtMs) / 1000,
  class: b.class ?? null,
  message: b.message ?? null,
});
