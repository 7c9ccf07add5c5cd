/**
 * Whether what is shown is what should be known by now: the end of the newest period that was scored, and when the next
 * one is due. A page that nobody updates must not look like a quiet plant. Pure.
 */
import type { Batch } from '../../storage/store.ts';
import { hasEnded } from '../../storage/store.ts';
import { defined } from '../../domain/defined.ts';

/** What is known of one schedule. */
export interface ScheduleTimesSeen {
  readonly name: string;
  readonly paused: boolean;
  /** When its next batch starts; absent when none is to come. */
  readonly nextMs?: number;
  /** The newest period that it should have scored, and when that batch was to start; absent before the first. */
  readonly expected?: { readonly atMs: number; readonly toMs: number };
  /** Longest that its batches wait for readings. */
  readonly waitMs: number;
}

export type Freshness =
  | { readonly kind: 'none' } // nothing was ever scored, and nothing is due
  | {
      /** `unknown`: Temporal does not answer, so nobody can say what is due. */
      readonly kind: 'fresh' | 'running' | 'overdue' | 'paused' | 'unscheduled' | 'unknown';
      /** End of the newest period that was scored. */
      readonly asOfMs?: number;
      /** When the next batch starts. */
      readonly nextMs?: number;
      /** Since when a batch should have been there. */
      readonly overdueMs?: number;
      /** The schedule that is overdue or paused. */
      readonly schedule?: string;
    };

/** A batch that takes a little longer than the ones before is not overdue. */
const SLACK_MS = 60_000;
/** Batches whose time to run says what is usual. */
const SAMPLE = 20;

/**
 * @param batches newest start first
 * @param schedules undefined where they are not known
 */
export function freshness(
  batches: readonly Batch[],
  schedules: readonly ScheduleTimesSeen[] | undefined,
  nowMs: number,
): Freshness {
  const scored = batches.filter(({ status, kind }) => status === 'completed' && kind === 'score');
  const asOfMs = scored.length === 0 ? undefined : Math.max(...scored.map(({ toMs }) => toMs));
  if (!schedules) return { kind: 'unknown', ...defined({ asOfMs }) };
  const active = schedules.filter(({ paused }) => !paused);
  const next = active.flatMap(({ nextMs }) => nextMs ?? []);
  const known = {
    ...defined({ asOfMs }),
    ...(next.length === 0 ? {} : { nextMs: Math.min(...next) }),
  };
  const overdue = active
    .map((one) => ({ one, sinceMs: overdueSince(one, batches, nowMs) }))
    .filter(({ sinceMs }) => sinceMs !== undefined)
    .sort((a, b) => a.sinceMs! - b.sinceMs!)[0];
  if (overdue) return { kind: 'overdue', ...known, overdueMs: overdue.sinceMs!, schedule: overdue.one.name };
  if (batches.some((batch) => !hasEnded(batch) && batch.kind === 'score')) return { kind: 'running', ...known };
  if (active.length > 0) return { kind: 'fresh', ...known };
  const paused = schedules[0];
  if (paused) return { kind: 'paused', ...known, schedule: paused.name };
  return asOfMs === undefined ? { kind: 'none' } : { kind: 'unscheduled', ...known };
}

/** When the batch that a schedule should have finished by now was to start; undefined when there is none. */
function overdueSince(
  { name, expected, waitMs }: ScheduleTimesSeen,
  batches: readonly Batch[],
  nowMs: number,
): number | undefined {
  if (!expected) return undefined;
  const done = batches.some(
    ({ toMs, status, kind }) => kind !== 'rescore' && status === 'completed' && toMs >= expected.toMs,
  );
  if (done) return undefined;
  const took = batches
    .filter((batch) => batch.schedule === name && batch.finishedAtMs !== undefined)
    .slice(0, SAMPLE)
    .map((batch) => batch.finishedAtMs! - batch.startedAtMs)
    .sort((a, b) => a - b);
  const usualMs = took[Math.floor(took.length / 2)] ?? 0;
  return nowMs > expected.atMs + waitMs + 2 * usualMs + SLACK_MS ? expected.atMs : undefined;
}
