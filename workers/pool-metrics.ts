/** Size and cost of the pools of workers: from the durable loop of each, and from its record of nodes in Blob. */
import type { Client } from '@temporalio/client';
import { money } from '../pool/cost.ts';
import { billedFrom, readNodes } from '../pool/ledger.ts';
import { isGone } from '../pool/pool.ts';
import { poolWorkflowId } from '../pool/settings.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { poolQuery, type PoolState } from '../workflows/pool-messages.ts';
import type { Metric, Sample } from '../telemetry/metric.ts';
import { DAY_MS } from '../domain/time.ts';
import { defined } from '../domain/defined.ts';

/** The record of nodes is read this often at most. */
const RECORD_EVERY_MS = 30_000;
/** Longest wait for a pool. */
const ANSWER_MS = 3_000;

export interface PoolMetricsDeps {
  readonly client: Client;
  readonly blobs: BlobStore;
  /** Names of the pools. */
  readonly pools: readonly string[];
  readonly now: () => number;
}

interface Seen {
  readonly state: PoolState;
  /** Node time of the last 24 hours, ms; absent when Blob did not answer. */
  readonly dayMs?: number;
}

/** A function that asks the pools. A pool that has no loop, or does not answer, is left out. */
export function poolMetrics(deps: PoolMetricsDeps): () => Promise<Metric[]> {
  const records = new Map<string, { readonly atMs: number; readonly dayMs: number }>();
  const dayOf = async (pool: string): Promise<number | undefined> => {
    const known = records.get(pool);
    const nowMs = deps.now();
    if (known && nowMs - known.atMs < RECORD_EVERY_MS) return known.dayMs;
    try {
      const nodes = await readNodes(deps.blobs, pool, nowMs - DAY_MS, nowMs);
      const dayMs = nodes.reduce(
        (sum, node) =>
          sum + Math.max(0, Math.min(nowMs, node.endedAtMs ?? nowMs) - Math.max(nowMs - DAY_MS, billedFrom(node))),
        0,
      );
      records.set(pool, { atMs: nowMs, dayMs });
      return dayMs;
    } catch {
      return known?.dayMs;
    }
  };
  const look = async (pool: string): Promise<Seen | undefined> => {
    try {
      const state = await deps.client.withDeadline(Date.now() + ANSWER_MS, () =>
        deps.client.workflow.getHandle(poolWorkflowId(pool)).query(poolQuery),
      );
      const dayMs = await dayOf(pool);
      return { state, ...defined({ dayMs }) };
    } catch {
      return undefined;
    }
  };
  return async () => metricsOf((await Promise.all(deps.pools.map(look))).filter((seen) => seen !== undefined));
}

const STATES = ['queued', 'starting', 'ready', 'leaving'] as const;

function metricsOf(pools: readonly Seen[]): Metric[] {
  const gauge = (
    name: string,
    unit: string,
    help: string,
    of: (seen: Seen) => readonly (Sample | undefined)[],
  ): Metric => ({
    name: `fleetscore_pool_${name}`,
    type: 'gauge',
    unit,
    help,
    samples: pools.flatMap((seen) =>
      of(seen).flatMap((sample) =>
        sample ? [{ labels: { pool: seen.state.settings.name, ...sample.labels }, value: sample.value }] : [],
      ),
    ),
  });
  const one = (value: number | undefined): readonly (Sample | undefined)[] => [
    value === undefined ? undefined : { value },
  ];
  const billed = ({ state }: Seen): number =>
    state.nodes.filter((node) => !isGone(node.state) && node.state !== 'queued').length;
  return [
    gauge('nodes', '{node}', 'Nodes of the pool, by state.', ({ state }) =>
      STATES.map((name) => ({
        labels: { state: name },
        value: state.nodes.filter((node) => node.state === name).length,
      })),
    ),
    gauge('workers', '{worker}', 'Workers of the pool that take tasks, by what they do.', ({ state: { seen } }) =>
      seen
        ? [
            { labels: { state: 'busy' }, value: seen.busy },
            { labels: { state: 'idle' }, value: seen.ready - seen.busy },
          ]
        : [],
    ),
    gauge('target_nodes', '{node}', 'Nodes that the policy wants.', ({ state }) => one(state.seen?.target)),
    gauge('max_nodes', '{node}', 'Most nodes that are allowed.', ({ state }) => one(state.settings.maxNodes)),
    gauge('backlog_tasks', '{task}', 'Tasks that wait in the queue of the pool.', ({ state }) =>
      one(state.seen?.backlog),
    ),
    gauge(
      'last_look_timestamp_seconds',
      's',
      'When its loop last looked, Unix time: an old one means that nobody runs it.',
      ({ state }) => one(state.seen && state.seen.atMs / 1000),
    ),
    gauge('failures_in_a_row', '{node}', 'Nodes that failed to come, one after the other.', ({ state }) =>
      one(state.measured.failures.inARow),
    ),
    gauge('node_seconds_last_day', 's', 'Node time of the last 24 hours.', ({ dayMs }) =>
      one(dayMs === undefined ? undefined : dayMs / 1000),
    ),
    gauge(
      'cost_last_day',
      '{money}',
      'Its cost, in the currency of the price file; nothing without prices.',
      ({ state, dayMs }) =>
        one(
          dayMs === undefined || state.settings.pricePerNodeHour === 0
            ? undefined
            : money(dayMs, state.settings.pricePerNodeHour),
        ),
    ),
    gauge('cost_per_hour', '{money}/h', 'What the nodes of now cost an hour; nothing without prices.', (seen) =>
      one(seen.state.settings.pricePerNodeHour === 0 ? undefined : billed(seen) * seen.state.settings.pricePerNodeHour),
    ),
  ];
}
