/** Rates between looks, and the time they leave. Pure. */
import type { Look, RunningSeen } from './seen.ts';

/** Looks that a rate spans: long enough to be steady, short enough to be of now. */
const SPAN_MS = 30_000;
/** Below this a rate says nothing. */
const LEAST_MS = 500;

const within = (look: Look, before: readonly Look[]): readonly Look[] =>
  before.filter(({ atMs }) => look.atMs - atMs <= SPAN_MS && look.atMs - atMs >= LEAST_MS);

/**
 * Sensors a second: over the looks of the last half minute, else since the batch began. Undefined before the first
 * sensor.
 */
export function sensorRate(batch: RunningSeen, look: Look, before: readonly Look[]): number | undefined {
  if (batch.done === 0) return undefined;
  for (const earlier of within(look, before)) {
    const then = earlier.running.value?.find(({ id }) => id === batch.id);
    if (then) return (Math.max(0, batch.done - then.done) * 1000) / (look.atMs - earlier.atMs);
  }
  const ms = look.atMs - batch.startedAtMs;
  return ms < LEAST_MS ? undefined : (batch.done * 1000) / ms;
}

/** Milliseconds; undefined when nothing moves. */
export function timeLeft({ planned, done, paused }: RunningSeen, rate: number | undefined): number | undefined {
  if (paused || rate === undefined || rate <= 0 || planned === 0) return undefined;
  return (Math.max(0, planned - done) / rate) * 1000;
}

/** Readings a second over all partitions; undefined at the first look. */
export function readingRate(look: Look, before: readonly Look[]): number | undefined {
  const earlier = within(look, before).find(({ ingest }) => ingest.value !== undefined);
  if (!earlier || !look.ingest.value) return undefined;
  const then = new Map(earlier.ingest.value!.map((state) => [`${state.source} ${state.partition}`, state.readings]));
  const added = look.ingest.value.reduce(
    (sum, state) =>
      sum + Math.max(0, state.readings - (then.get(`${state.source} ${state.partition}`) ?? state.readings)),
    0,
  );
  return (added * 1000) / (look.atMs - earlier.atMs);
}
