/** `fleetscore pool status`: what a pool does and why; with several pools, a line each. */
import pc from 'picocolors';
import { FleetscoreError } from '../../domain/errors.ts';
import { formatDuration, isoTime } from '../../domain/time.ts';
import { isGone } from '../../pool/pool.ts';
import { poolQueues } from '../../pool/queues.ts';
import { poolWorkflowId, type KeepWarm } from '../../pool/settings.ts';
import { formatCount as count } from '../../report/format.ts';
import type { PoolState } from '../../workflows/pool-messages.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { facts, table, when } from '../frame/text.ts';
import { readLoop, type PoolOptions } from './loop.ts';

export const keepWarmText = (keep: KeepWarm): string =>
  typeof keep === 'number' ? `while the next batch is due within ${formatDuration(keep)}` : keep;

export async function status(context: Context, options: PoolOptions): Promise<Output> {
  const names = [...(await poolQueues(context.config)).keys()];
  if (options.pool === undefined && names.length > 1) return statusOfAll(context, names);
  const state = await readLoop(context, options);
  return { data: stateData(state), text: statusText(state, context) };
}

/** A line a pool; one that does not answer says why. */
async function statusOfAll(context: Context, names: readonly string[]): Promise<Output> {
  const states = await Promise.all(
    names.map(async (pool) => {
      try {
        return await readLoop(context, { pool });
      } catch (error) {
        if (error instanceof FleetscoreError && error.code === 'POOL_UNKNOWN') return { missing: error.message };
        throw error;
      }
    }),
  );
  const rows = states.map((state, i) => {
    if ('missing' in state) return [names[i]!, '-', 'not running', '-', '-', '-', '-', state.missing];
    const { settings, seen, decision } = state;
    const living = state.nodes.filter((node) => !isGone(node.state)).length;
    return [
      settings.name,
      settings.taskQueue,
      state.mode,
      `${living} of ${decision?.target ?? 0}`,
      `${settings.minNodes} to ${settings.maxNodes}`,
      seen ? `${seen.ready} (${seen.busy} busy)` : '-',
      seen ? count(seen.sensorsToGo) : '-',
      decision?.reason ?? 'not seen yet',
    ];
  });
  const notes = states.flatMap((state, i) =>
    'missing' in state ? [] : state.notes.map((note) => `${pc.yellow('note')} ${names[i]}: ${note}`),
  );
  return {
    data: {
      pools: states.map((state, i) =>
        'missing' in state ? { pool: names[i], missing: state.missing } : stateData(state),
      ),
    },
    text: [
      table(
        [
          { title: 'Pool' },
          { title: 'Queue' },
          { title: 'Mode' },
          { title: 'Nodes', align: 'right' },
          { title: 'Allowed' },
          { title: 'Workers' },
          { title: 'To go', align: 'right' },
          { title: 'Decision' },
        ],
        rows,
      ),
      ...(notes.length === 0 ? [] : [notes.join('\n')]),
      `More of one: fleetscore pool status --pool ${names[0]}`,
    ].join('\n\n'),
  };
}

/** As JSON. */
export function stateData(state: PoolState) {
  const { seen, decision, nodes, ...rest } = state;
  return {
    ...rest,
    ...(seen ? { seen: { ...seen, at: isoTime(seen.atMs) } } : {}),
    ...(decision
      ? {
          decision: {
            ...decision,
            ...(decision.nextDueMs === undefined ? {} : { nextDue: isoTime(decision.nextDueMs) }),
          },
        }
      : {}),
    nodes: nodes.map((node) => ({
      ...node,
      requestedAt: isoTime(node.requestedAtMs),
      ...(node.readyAtMs === undefined ? {} : { readyAt: isoTime(node.readyAtMs) }),
    })),
  };
}

export function statusText(state: PoolState, context: Context): string {
  const { settings, seen, decision, measured } = state;
  const living = state.nodes.filter((node) => !isGone(node.state));
  const link = context.uiLink(poolWorkflowId(settings.name));
  const sections = [
    facts([
      ['Pool', `${settings.name} (${settings.kind}), task queue ${settings.taskQueue}`],
      ['Mode', state.mode],
      [
        'Nodes',
        `${living.length} of ${decision?.target ?? 0} wanted; ${settings.minNodes} to ${settings.maxNodes} allowed`,
      ],
      ['Workers', seen ? `${seen.ready}, ${seen.busy} busy, ${seen.coming} coming` : 'not seen yet'],
      [
        'Work',
        seen
          ? `${count(seen.sensorsToGo)} sensors to go in ${seen.batches} ` +
            `${seen.batches === 1 ? 'batch' : 'batches'}, ${count(seen.backlog)} tasks wait`
          : undefined,
      ],
      ['Next batch', decision?.nextDueMs === undefined ? 'none scheduled' : `${when(decision.nextDueMs)} UTC`],
      ['Decision', decision?.reason],
      ['Seen', seen ? `${when(Math.floor(seen.atMs / 1000) * 1000)} UTC` : undefined],
      ['Spin-up', `${(measured.spinUpMs / 1000).toFixed(1)} s${measured.spinUps === 0 ? ' (first guess)' : ''}`],
      [
        'Speed',
        `${count(Math.round(measured.sensorsPerSecond))} sensors/s a ` +
          `worker${measured.speeds === 0 ? ' (first guess)' : ''}`,
      ],
      ['Idle', `let go after ${formatDuration(settings.idleMs)}; keep warm: ${keepWarmText(settings.keepWarm)}`],
      [
        'Price',
        settings.pricePerNodeHour > 0
          ? `${settings.pricePerNodeHour} a node hour (${settings.vmSize}, ${settings.priority})`
          : `not known: set FLEETSCORE_PRICES_FILE (${settings.vmSize}, ${settings.priority})`,
      ],
      ['Web UI', link],
    ]),
  ];
  if (living.length > 0)
    sections.push(
      table(
        [
          { title: 'Node' },
          { title: 'State' },
          { title: 'Tasks', align: 'right' },
          { title: 'Asked for (UTC)', whole: true, leave: 2 },
          { title: 'Ready (UTC)', whole: true, leave: 1 },
        ],
        living.map((node) => [
          node.id,
          node.state,
          node.busyTasks === undefined ? '-' : String(node.busyTasks),
          when(second(node.requestedAtMs)),
          when(second(node.readyAtMs)),
        ]),
      ),
    );
  if (state.notes.length > 0) sections.push(state.notes.map((note) => `${pc.yellow('note')} ${note}`).join('\n'));
  return sections.join('\n\n');
}

/** Times of nodes are shown to the second. */
export const second = (at: number | undefined): number | undefined =>
  at === undefined ? undefined : Math.floor(at / 1000) * 1000;
