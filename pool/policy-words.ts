/** Why the scaling policy decided as it did, in a sentence for people. Pure. */
import type { PoolSettings } from './settings.ts';
import type { ScheduledBatch, Observation, PoolMode } from './policy-types.ts';

export interface Needs {
  /** Fractional nodes for running and pre-warmed work. */
  readonly nodes: number;
  /** True when at least one node is needed, however small the work. */
  readonly some: boolean;
  /** Nodes worth keeping for what comes next. */
  readonly keep: number;
  readonly why: string;
}

export function describeNeed(
  seen: Observation,
  toGo: number,
  soon: readonly ScheduledBatch[],
  later: readonly ScheduledBatch[],
  settings: PoolSettings,
): string {
  const parts: string[] = [];
  if (toGo > 0)
    parts.push(
      `${toGo} sensors to go in ${plural(seen.batches.filter((b) => b.sensorsToGo > 0).length, 'batch', 'batches')}`,
    );
  else if (seen.backlog.tasks > 0) parts.push(`${plural(seen.backlog.tasks, 'task', 'tasks')} in the queue`);
  const next = soon[0] ?? later[0];
  if (next && soon.length > 0)
    parts.push(
      `batch of ${next.schedule} (${next.sensors} sensors) due in ${seconds(next.atMs - seen.nowMs)}, ` +
        `spin-up takes ${seconds(seen.spinUpMs)}`,
    );
  else if (next && toGo === 0)
    parts.push(
      `next batch in ${seconds(next.atMs - seen.nowMs)}: ` +
        (settings.keepWarm === 'break-even' ? 'keeping warm costs less than going down and up' : 'kept warm as set'),
    );
  return parts.join('; ');
}

/** What a decision was made from, and what was decided. */
interface Reasons {
  readonly seen: Observation;
  readonly settings: PoolSettings;
  readonly mode: PoolMode;
  readonly need: Needs;
  readonly alive: number;
  readonly target: number;
  readonly grow: number;
  readonly missing: number;
  readonly drain: readonly string[];
  readonly cancel: readonly string[];
  readonly blocked: string | undefined;
  readonly helpers: number;
  readonly nextDueMs: number | undefined;
}

export function explain(t: Reasons): string {
  const { seen, settings } = t;
  const parts: string[] = [];
  if (t.mode === 'draining') parts.push('draining: no work is taken until `resume`');
  else if (t.need.why !== '' && (t.need.some || t.alive > 0)) parts.push(t.need.why);
  else
    parts.push(
      t.nextDueMs === undefined
        ? 'nothing is due and no batch is scheduled'
        : `nothing is due for ${seconds(t.nextDueMs - seen.nowMs)}`,
    );
  if (t.target === settings.minNodes && settings.minNodes > 0 && !t.need.some)
    parts.push(`${settings.minNodes} nodes are always kept`);
  if (t.need.nodes - t.helpers > settings.maxNodes)
    parts.push(`${Math.ceil(t.need.nodes)} nodes would be needed, the limit is ${settings.maxNodes}`);
  if (t.grow > 0) parts.push(`asking for ${plural(t.grow, 'node', 'nodes')}`);
  if (t.missing > t.grow) parts.push(t.blocked ?? `no more than ${seen.capacity} nodes are to be had now`);
  if (t.cancel.length > 0) parts.push(`cancelling ${plural(t.cancel.length, 'queued node', 'queued nodes')}`);
  if (t.drain.length > 0) parts.push(`letting ${plural(t.drain.length, 'idle node', 'idle nodes')} go`);
  const waiting = t.alive - t.target - t.drain.length - t.cancel.length;
  if (waiting > 0) parts.push(`${plural(waiting, 'node goes', 'nodes go')} once idle for ${seconds(settings.idleMs)}`);
  return parts.join('; ');
}

export function seconds(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1_000));
  if (s < 120) return `${s} s`;
  return s < 7_200 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3_600)} h`;
}

const plural = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;
