/** What `fleetscore status` shows of a look: a page for a terminal. Pure, except for colours. */
import pc from 'picocolors';
import { formatCount as count, formatMs, formatNumberOf, formatShare } from '../../report/format.ts';
import { sensorName } from '../../domain/sensor.ts';
import { STUCK_REMEDY } from '../../connect/workflow-problems.ts';
import { harmless } from '../../report/text-width.ts';
import { ingestText } from './page-ingest.ts';
import { poolsText } from './page-pools.ts';
import { partsOf, silent } from './parts.ts';
import type { Batch } from '../../storage/store.ts';
import type { Look, RunningSeen } from './seen.ts';
import { sensorRate, timeLeft } from './rates.ts';
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
    section((look.pools.value?.length ?? 1) > 1 ? 'Pools' : 'Pool', poolsText(look)),
    section('Ingest', ingestText(look, before)),
    section('Last failures', failures(look)),
    section('Last batches', lastBatches(look)),
  ].join('\n\n');
}

const outOfService = (retired: number): string => (retired === 0 ? '' : `, ${count(retired)} of them out of service`);

const section = (title: string, text: string): string => `${pc.bold(title)}\n${text}`;

/** What does not go on by itself; no section where there is nothing. */
function problems({ temporal }: Look): string[] {
  const stuck = temporal.value?.stuck ?? [];
  if (stuck.length === 0) return [];
  const lines = stuck.map(({ workflowId, problem }) => `${pc.red('!!')} workflow ${harmless(workflowId)}: ${problem}`);
  return [section('Problems', [...lines, `   ${STUCK_REMEDY}`].join('\n'))];
}

function schedules({ temporal, store, notScored, atMs, running }: Look): string {
  if (!temporal.value) return silent('Temporal');
  const lost = new Set((running.value ?? []).filter((batch) => batch.lost !== undefined).map(({ id }) => id));
  const lastOf = (batch: Batch | undefined): string => (batch && lost.has(batch.id) ? 'lost' : lastWord(batch));
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
      lastOf(store.value?.bySchedule.get(name)),
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

function failures({ store }: Look): string {
  if (!store.value) return silent('SQL');
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
  if (!store.value) return silent('SQL');
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
      anomaliesText(b.counts),
      b.finishedAtMs === undefined ? '-' : formatMs(b.finishedAtMs - b.startedAtMs),
    ]),
    'none yet; fleetscore batch run scores a period now',
  );
}

const anomaliesText = ({ anomalies, windows }: { readonly anomalies: number; readonly windows: number }): string =>
  windows > 0 ? `${count(anomalies)} (${formatShare(anomalies, windows)})` : count(anomalies);
