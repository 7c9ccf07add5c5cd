/** What a person reads on the page of a pool's workflow in the Web UI. Pure. */
import { isGone } from '../pool/pool.ts';
import { plainTime } from '../domain/time.ts';
import { cell } from './details.ts';
import type { PoolState } from './pool-messages.ts';

export function poolDetails(state: PoolState): string {
  const { seen, decision, settings, measured } = state;
  const count = (...states: readonly string[]): number =>
    state.nodes.filter((node) => states.includes(node.state)).length;
  const rows: (readonly [string, string])[] = [
    ['Mode', state.mode],
    [
      'Nodes',
      `${decision?.target ?? 0} wanted: ${count('ready')} ready, ${count('queued', 'starting')} coming, ` +
        `${count('leaving')} leaving (${settings.minNodes} to ${settings.maxNodes} allowed)`,
    ],
    ['Workers', seen ? `${seen.ready}, ${seen.busy} busy` : '-'],
    ['Work', seen ? `${seen.sensorsToGo} sensors to go in ${seen.batches} batches, ${seen.backlog} tasks wait` : '-'],
    ['Next batch', decision?.nextDueMs === undefined ? 'none scheduled' : `${plainTime(decision.nextDueMs)} UTC`],
    ['Why', decision?.reason ?? ''],
    ['Spin-up', `${Math.round(measured.spinUpMs / 1_000)} s${measured.spinUps === 0 ? ' (guess)' : ''}`],
    [
      'Speed',
      `${Math.round(measured.sensorsPerSecond)} sensors a second and worker${measured.speeds === 0 ? ' (guess)' : ''}`,
    ],
    ...(seen ? [['Seen', `${plainTime(Math.floor(seen.atMs / 1_000) * 1_000)} UTC`] as const] : []),
  ];
  const nodes = state.nodes.filter((node) => !isGone(node.state)).slice(0, 20);
  return [
    `### Pool ${settings.name}\n\n| | |\n| --- | --- |\n${rows.map(([k, v]) => `| ${k} | ${cell(v)} |`).join('\n')}`,
    ...(nodes.length === 0
      ? []
      : [
          `| Node | State | Since |\n| --- | --- | --- |\n` +
            nodes
              .map(
                (node) => `| ${cell(node.id)} | ${node.state} | ${plainTime(node.readyAtMs ?? node.requestedAtMs)} |`,
              )
              .join('\n'),
        ]),
    ...(state.notes.length === 0 ? [] : [state.notes.map((note) => `- ${cell(note)}`).join('\n')]),
  ].join('\n\n');
}
