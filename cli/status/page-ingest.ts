/** Ingest and the file drop on the page of `fleetscore status`. Pure, except for colours. */
import { formatBytes } from '../../domain/bytes.ts';
import { REMEDY } from '../../ingest/hub-check.ts';
import type { PartitionState } from '../../connect/partition-states.ts';
import { formatCount as count, formatMs, formatNumberOf } from '../../report/format.ts';
import { readingsWait } from '../../storage/store.ts';
import { dropSummary } from '../drop/summary.ts';
import { changed, silent, stalled, STILL_MS, unheld } from './parts.ts';
import { readingRate } from './rates.ts';
import type { Look } from './seen.ts';

/** What is wrong with partitions, a line each. */
function partitionTroubles(look: Look): string[] {
  const still = stalled(look);
  return [
    ...(still.length === 0
      ? []
      : [
          `partition ${still.join(', ')}: events wait, nothing applied for more than ${formatMs(STILL_MS)}; ` +
            'a worker that holds it ends by itself (docs/outages.md)',
        ]),
    ...changed(look).map(({ partition, problem }) => `partition ${partition} stands still: ${problem}. ${REMEDY}`),
    ...unheldText(unheld(look), look.holders?.size ?? 0),
  ];
}

function unheldText(free: readonly string[], all: number): string[] {
  if (free.length === 0) return [];
  if (free.length === all)
    return [
      `no ingest worker reads a partition of the hub (${free.length} there): does one run? ` +
        'fleetscore logs --worker ingest',
    ];
  return [
    `partition ${free.join(', ')}: no ingest worker reads ${free.length === 1 ? 'it' : 'them'}; ` +
      'one takes over within half a minute, where its log says nothing else',
  ];
}

export function ingestText(look: Look, before: readonly Look[]): string {
  const states = look.ingest.value;
  if (!states) return look.store.value ? `not known: ${look.ingest.problem}` : silent('SQL');
  if (states.length === 0) return ['no readings yet', ...fileDrop(look)].join('\n');
  return [
    ...diskText(look),
    lagText(states, look, before),
    readingsText(states),
    ...partitionTroubles(look),
    ...fileDrop(look),
  ].join('\n');
}

const sum = (states: readonly PartitionState[], of: (state: PartitionState) => number): number =>
  states.reduce((total, state) => total + of(state), 0);

function diskText({ store }: Look): string[] {
  const room = store.value?.room;
  if (!room || !readingsWait(room)) return [];
  return [
    `readings wait: the disk of the store has ${formatBytes(room.freeBytes)} free, ` +
      `ingest leaves ${formatBytes(room.reserveBytes)} alone; free room elsewhere, then fleetscore db prune`,
  ];
}

function lagText(states: readonly PartitionState[], look: Look, before: readonly Look[]): string {
  const lag = states.some(({ lagEvents }) => lagEvents !== undefined)
    ? formatNumberOf(
        sum(states, ({ lagEvents = 0 }) => lagEvents),
        'event',
      )
    : 'not known (Event Hubs does not answer)';
  const marks = states.map((state) => state.watermarkMs).filter((ms) => ms >= 0);
  const age =
    marks.length === 0 ? 'no watermark yet' : `watermark ${formatMs(Math.max(0, look.atMs - Math.min(...marks)))} old`;
  const rate = readingRate(look, before);
  return `lag ${lag}; ${age}${rate === undefined ? '' : `; ${count(rate)} readings/s`}`;
}

function readingsText(states: readonly PartitionState[]): string {
  const readings = count(sum(states, (state) => state.readings));
  const late = count(sum(states, (state) => state.late));
  const dead = count(sum(states, (state) => state.dead));
  return `${readings} readings in ${formatNumberOf(states.length, 'partition')}, ${late} late, ${dead} dead`;
}

function fileDrop({ store }: Look): string[] {
  const said = store.value && dropSummary(store.value.dropped);
  return said === undefined ? [] : [`drop: ${said}`];
}
