/** What `fleetscore status` shows of a look: a page for a terminal. Pure, except for colours. */
import { readingsWait } from '../../storage/store.ts';
import pc from 'picocolors';
import { isGone } from '../../pool/pool.ts';
import { dropSummary } from '../drop/summary.ts';
import { formatBytes } from '../../domain/bytes.ts';
import { formatCount as count, formatMs, formatNumberOf, formatShare } from '../../report/format.ts';
import { sensorName } from '../../domain/sensor.ts';
import { STUCK_REMEDY } from '../../connect/workflow-problems.ts';
import { harmless } from '../../report/text-width.ts';
import type { PartitionState } from '../../connect/partition-states.ts';
import { REMEDY } from '../../ingest/hub-check.ts';
import type { PoolState } from '../../workflows/pool-messages.ts';
import type { Answer } from '../../domain/answer.ts';
import type { Look, PoolSeen, RunningSeen } from './seen.ts';
import { readingRate, sensorRate, timeLeft } from './rates.ts';
import { lastPaint, lastWord, shortPeriod, skippedPaint, statusColumn, table, when } from '../frame/text.ts';

const BAR = 12;

/** @param before earlier looks, oldest first: for the rates of now */
export function statusPage(look: Look, before: readonly Look[], where: readonly string[]): string {
  const store = look.store.value;
  const parts = partsOf(look)
    .map(([name, answer]) => (answer.problem === undefined ? `${name} ${pc.green('ok')}` : `${name} ${pc.red('down')}`))
    .join('   ');
  const down = partsOf(look)
    .filter(([, answer]) => answer.problem !== undefined)
    .map(([name, answer]) => `${pc.red('!!')} ${name}: ${answer.problem}`);
  const fleet = store
    ? `${formatNumberOf(store.sensors, 'sensor')}${outOfService(store.retired)}, ` +
      `release ${store.release ?? 'none (fleetscore models publish DIR)'}`
    : '';
  return [
    [
      `${pc.bold('fleetscore')}  ${when(Math.floor(look.atMs / 1000) * 1000)} UTC   ${where[0]}`,
      ...where.slice(1),
      parts,
      ...down,
      ...(fleet === '' ? [] : [fleet]),
    ].join('\n'),
    ...problems(look),
    section('Schedules', schedules(look)),
    section('Running', running(look, before)),
    section((look.pools.value?.length ?? 1) > 1 ? 'Pools' : 'Pool', pools(look)),
    section('Ingest', ingest(look, before)),
    section('Last failures', failures(look)),
    section('Last batches', lastBatches(look)),
  ].join('\n\n');
}

const outOfService = (retired: number): string => (retired === 0 ? '' : `, ${count(retired)} of them out of service`);

const section = (title: string, text: string): string => `${pc.bold(title)}\n${text}`;

/** The parts that are asked, by name. */
export const partsOf = (look: Look): (readonly [string, Answer<unknown>])[] => [
  ['Temporal', look.temporal],
  ['SQL', look.store],
  ['Blob', look.blob],
  ['Event Hubs', look.eventHubs],
];

/** True when every part answered. */
export const allAnswer = (look: Look): boolean => partsOf(look).every(([, answer]) => answer.problem === undefined);

/** What does not go on by itself; no section where there is nothing. */
function problems({ temporal }: Look): string[] {
  const stuck = temporal.value?.stuck ?? [];
  if (stuck.length === 0) return [];
  const lines = stuck.map(({ workflowId, problem }) => `${pc.red('!!')} workflow ${harmless(workflowId)}: ${problem}`);
  return [section('Problems', [...lines, `   ${STUCK_REMEDY}`].join('\n'))];
}

function schedules({ temporal, store, notScored, atMs }: Look): string {
  if (!temporal.value) return unknown('Temporal');
  return table(
    [
      { title: 'Name', whole: true },
      { title: 'State', leave: 3 },
      { title: 'Next batch (UTC)', whole: true, leave: 1 },
      { title: 'In', align: 'right' },
      { title: 'Not scored (7 days)', align: 'right', leave: 2 },
      { title: 'Last batch', paint: lastPaint, whole: true },
    ],
    temporal.value.schedules.map(({ name, paused, nextMs }) => [
      name,
      paused ? 'paused' : 'active',
      when(nextMs),
      dueText(nextMs, atMs),
      notScoredText(notScored.value?.get(name)),
      lastWord(store.value?.bySchedule.get(name)),
    ]),
    'none; fleetscore schedule create NAME --every 15m makes one',
  );
}

/**
 * The server tells the next time when it changes something: one that has passed is due, or waits for the batch before.
 */
function dueText(nextMs: number | undefined, atMs: number): string {
  if (nextMs === undefined) return '-';
  const leftMs = Math.round((nextMs - atMs) / 1000) * 1000;
  return leftMs <= 0 ? 'due' : formatMs(leftMs);
}

const notScoredText = (periods: number | undefined): string => {
  if (periods === undefined) return '?';
  return periods === 0 ? '0' : `${formatNumberOf(periods, 'period')}: fleetscore gaps`;
};

function running(look: Look, before: readonly Look[]): string {
  if (!look.running.value) return `not known: ${look.running.problem}`;
  return table(
    [
      { title: 'Batch', whole: true },
      { title: 'Phase' },
      { title: '', whole: true, leave: 1 },
      { title: 'Sensors', align: 'right' },
      { title: 'Rate', align: 'right', leave: 2 },
      { title: 'Left', align: 'right', leave: 4 },
      { title: 'Failed', align: 'right' },
      { title: 'Anomalies', align: 'right', leave: 3 },
    ],
    look.running.value.map((batch) => {
      const rate = sensorRate(batch, look, before);
      const left = timeLeft(batch, rate);
      return [
        batch.id,
        `${batch.phase}${batch.paused ? ' (paused)' : ''}`,
        bar(batch),
        batch.planned === 0 ? '-' : `${count(batch.done)} of ${count(batch.planned)}`,
        rate === undefined ? '-' : `${rate < 10 ? rate.toFixed(1) : count(rate)}/s`,
        left === undefined ? '-' : formatMs(left),
        count(batch.failed),
        count(batch.anomalies),
      ];
    }),
    'no batch',
  );
}

function bar({ done, planned }: RunningSeen): string {
  const full = planned === 0 ? 0 : Math.round((done / planned) * BAR);
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)}`;
}

function pools({ pools: answer, temporal, atMs }: Look): string {
  if (answer.problem !== undefined) return temporal.value ? `not known: ${answer.problem}` : unknown('Temporal');
  const workers = temporal.value
    ? `${formatNumberOf(temporal.value.workers.control, 'control worker')}, ${formatNumberOf(temporal.value.workers.scoring, 'scoring worker')} polling`
    : '';
  const [only, ...others] = answer.value;
  if (!only || others.length > 0)
    return [poolTable(answer.value), ...notesOf(answer.value), ...(workers === '' ? [] : [workers])].join('\n');
  if (only.loop.problem !== undefined) return `not known: ${only.loop.problem}`;
  const state = only.loop.value;
  if (!state) return `no pool runs here; ${workers}`;
  const { seen, decision, settings } = state;
  const price = settings.pricePerNodeHour * living(state);
  return [
    `${settings.name}: ${formatNumberOf(living(state), 'node')}, ${decision?.target ?? 0} wanted (${settings.minNodes} to ${settings.maxNodes} allowed)${state.mode === 'active' ? '' : `, ${pc.yellow(state.mode)}`}; ` +
      `${seen ? `${seen.ready} ready, ${seen.busy} busy, ${seen.coming} coming` : 'not seen yet'}${price > 0 ? `; ${price.toFixed(3)} an hour now` : ''}`,
    ...(seen
      ? [
          `${formatNumberOf(seen.sensorsToGo, 'sensor')} to go, ${formatNumberOf(seen.backlog, 'task')} waiting${decision?.nextDueMs === undefined ? '' : `; next batch in ${formatMs(Math.max(0, decision.nextDueMs - atMs))}`}`,
        ]
      : []),
    ...(decision ? [`why: ${decision.reason}`] : []),
    ...notesOf(answer.value),
    ...(workers === '' ? [] : [workers]),
  ].join('\n');
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

/** As long as an ingest worker looks on before it ends. */
const STILL_MS = 5 * 60_000;

/** Partitions whose events wait while nothing is applied. */
export const stalled = ({ ingest: { value: states }, atMs }: Look): string[] =>
  (states ?? [])
    .filter(
      ({ lagEvents = 0, updatedAtMs, problem }) =>
        problem === undefined && lagEvents > 0 && updatedAtMs !== undefined && atMs - updatedAtMs > STILL_MS,
    )
    .map(({ partition }) => partition);

/** Partitions of the hub that no worker reads. */
export const unheld = ({ holders = new Map() }: Look): string[] =>
  [...holders].flatMap(([partition, holder]) => (holder === 'nobody' ? [partition] : []));

/** Partitions that are not those that were read before. */
export const changed = ({ ingest: { value: states } }: Look): PartitionState[] =>
  (states ?? []).filter(({ problem }) => problem !== undefined);

/** What is wrong with partitions, a line each. */
function partitionTroubles(look: Look): string[] {
  const free = unheld(look);
  const lines = changed(look).map(
    ({ partition, problem }) => `partition ${partition} stands still: ${problem}. ${REMEDY}`,
  );
  if (free.length > 0)
    lines.push(
      free.length === look.holders!.size
        ? `no ingest worker reads a partition of the hub (${free.length} there): does one run? fleetscore logs --worker ingest`
        : `partition ${free.join(', ')}: no ingest worker reads ${free.length === 1 ? 'it' : 'them'}; one takes over within half a minute, where its log says nothing else`,
    );
  return lines;
}

function ingest(look: Look, before: readonly Look[]): string {
  const states = look.ingest.value;
  if (!states) return look.store.value ? `not known: ${look.ingest.problem}` : unknown('SQL');
  if (states.length === 0) return ['no readings yet', ...fileDrop(look)].join('\n');
  const sum = (of: (state: PartitionState) => number): number => states.reduce((total, state) => total + of(state), 0);
  const marks = states.map((state) => state.watermarkMs).filter((ms) => ms >= 0);
  const lag = states.some((state) => state.lagEvents !== undefined)
    ? formatNumberOf(
        sum((state) => state.lagEvents ?? 0),
        'event',
      )
    : 'not known (Event Hubs does not answer)';
  const rate = readingRate(look, before);
  const room = look.store.value?.room;
  return [
    ...(room && readingsWait(room)
      ? [
          `readings wait: the disk of the store has ${formatBytes(room.freeBytes)} free, ingest leaves ${formatBytes(room.reserveBytes)} alone; free room elsewhere, then fleetscore db prune`,
        ]
      : []),
    `lag ${lag}; ${marks.length === 0 ? 'no watermark yet' : `watermark ${formatMs(Math.max(0, look.atMs - Math.min(...marks)))} old`}${rate === undefined ? '' : `; ${count(rate)} readings/s`}`,
    `${count(sum((state) => state.readings))} readings in ${formatNumberOf(states.length, 'partition')}, ${count(sum((state) => state.late))} late, ${count(sum((state) => state.dead))} dead`,
    ...(stalled(look).length === 0
      ? []
      : [
          `partition ${stalled(look).join(', ')}: events wait, nothing applied for more than ${formatMs(STILL_MS)}; a worker that holds it ends by itself (docs/outages.md)`,
        ]),
    ...partitionTroubles(look),
    ...fileDrop(look),
  ].join('\n');
}

function fileDrop({ store }: Look): string[] {
  const said = store.value && dropSummary(store.value.dropped);
  return said === undefined ? [] : [`drop: ${said}`];
}

function failures({ store }: Look): string {
  if (!store.value) return unknown('SQL');
  return table(
    [
      { title: 'Batch', whole: true, leave: 1 },
      { title: 'Sensor' },
      { title: 'Class', whole: true, paint: (text, _, colors) => colors.red(text) },
      { title: 'Why' },
    ],
    store.value.failures.map(({ batch, device, sensor, class: why, message }) => [
      batch,
      device === undefined || sensor === undefined ? '-' : sensorName({ device, sensor }),
      why,
      message,
    ]),
    'none',
  );
}

function lastBatches({ store }: Look): string {
  if (!store.value) return unknown('SQL');
  return table(
    [
      { title: 'Batch', whole: true },
      { title: 'Period (UTC)', whole: true, leave: 4 },
      statusColumn('Status'),
      { title: 'Scored', align: 'right', leave: 2 },
      { title: 'Skipped', align: 'right', paint: skippedPaint, leave: 3 },
      { title: 'Failed', align: 'right' },
      { title: 'Anomalies', align: 'right' },
      { title: 'Took', align: 'right', leave: 1 },
    ],
    store.value.last.map((b) => [
      b.id,
      shortPeriod(b),
      b.status,
      `${count(b.counts.scored)} of ${count(b.planned)}`,
      count(b.counts.skipped),
      count(b.counts.failed),
      `${count(b.counts.anomalies)}${b.counts.windows > 0 ? ` (${formatShare(b.counts.anomalies, b.counts.windows)})` : ''}`,
      b.finishedAtMs === undefined ? '-' : formatMs(b.finishedAtMs - b.startedAtMs),
    ]),
    'none yet; fleetscore batch run scores a period now',
  );
}

const unknown = (part: string): string => pc.dim(`not known: ${part} does not answer`);
