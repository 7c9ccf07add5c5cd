/** The pools on the page of `fleetscore status`: one in full, several as a table. Pure, except for colours. */
import pc from 'picocolors';
import { isGone } from '../../pool/pool.ts';
import { formatCount as count, formatMs, formatNumberOf } from '../../report/format.ts';
import type { PoolState } from '../../workflows/pool-messages.ts';
import { table } from '../frame/text.ts';
import { silent } from './parts.ts';
import type { Look, PoolSeen } from './seen.ts';

export function poolsText({ pools: answer, temporal, atMs }: Look): string {
  if (answer.problem !== undefined) return temporal.value ? `not known: ${answer.problem}` : silent('Temporal');
  const workers = temporal.value ? workersText(temporal.value.workers) : '';
  const [only, ...others] = answer.value;
  if (!only || others.length > 0)
    return [poolTable(answer.value), ...notesOf(answer.value), ...(workers === '' ? [] : [workers])].join('\n');
  if (only.loop.problem !== undefined) return `not known: ${only.loop.problem}`;
  const state = only.loop.value;
  if (!state) return `no pool runs here; ${workers}`;
  return [
    nodesText(state),
    ...workText(state, atMs),
    ...(state.decision ? [`why: ${state.decision.reason}`] : []),
    ...notesOf(answer.value),
    ...(workers === '' ? [] : [workers]),
  ].join('\n');
}

const workersText = ({ control, scoring }: { readonly control: number; readonly scoring: number }): string =>
  `${formatNumberOf(control, 'control worker')}, ${formatNumberOf(scoring, 'scoring worker')} polling`;

function nodesText(state: PoolState): string {
  const { seen, decision, settings, mode } = state;
  const allowed = `${settings.minNodes} to ${settings.maxNodes} allowed`;
  const paused = mode === 'active' ? '' : `, ${pc.yellow(mode)}`;
  const now = seen ? `${seen.ready} ready, ${seen.busy} busy, ${seen.coming} coming` : 'not seen yet';
  const price = settings.pricePerNodeHour * living(state);
  const nodes = `${formatNumberOf(living(state), 'node')}, ${decision?.target ?? 0} wanted (${allowed})`;
  const cost = price > 0 ? `; ${price.toFixed(3)} an hour now` : '';
  return `${settings.name}: ${nodes}${paused}; ${now}${cost}`;
}

function workText({ seen, decision }: PoolState, atMs: number): string[] {
  if (!seen) return [];
  const { nextDueMs } = decision ?? {};
  const next = nextDueMs === undefined ? '' : `; next batch in ${formatMs(Math.max(0, nextDueMs - atMs))}`;
  return [
    `${formatNumberOf(seen.sensorsToGo, 'sensor')} to go, ${formatNumberOf(seen.backlog, 'task')} waiting${next}`,
  ];
}

/** Nodes that are not gone. */
export const living = ({ nodes }: PoolState): number => nodes.filter((node) => !isGone(node.state)).length;

/** The newest note of each pool, named where there are several. */
const notesOf = (seen: readonly PoolSeen[]): string[] =>
  seen.flatMap(({ name, loop }) =>
    (loop.value?.notes.slice(-1) ?? []).map(
      (note) => `${pc.yellow('note')} ${seen.length > 1 ? `${name}: ` : ''}${note}`,
    ),
  );

function poolTable(seen: readonly PoolSeen[]): string {
  return table(
    [
      { title: 'Pool', whole: true },
      { title: 'Mode', whole: true },
      { title: 'Nodes', align: 'right' },
      { title: 'Wanted', align: 'right' },
      { title: 'Workers', whole: true, leave: 3 },
      { title: 'To go', align: 'right', leave: 2 },
      { title: 'Waiting', align: 'right', leave: 1 },
      { title: 'Why' },
    ],
    seen.map(({ name, loop: { value: state, problem } }) => {
      if (!state)
        return [name, problem === undefined ? 'not running' : 'silent', '-', '-', '-', '-', '-', problem ?? ''];
      const { seen: now, decision } = state;
      return [
        name,
        state.mode,
        String(living(state)),
        String(decision?.target ?? 0),
        now ? `${now.ready} ready, ${now.busy} busy, ${now.coming} coming` : '-',
        now ? count(now.sensorsToGo) : '-',
        now ? count(now.backlog) : '-',
        decision?.reason ?? 'not seen yet',
      ];
    }),
    'none is configured here',
  );
}
