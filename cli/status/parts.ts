/** What a look says of the parts and of partitions, for the page and for JSON. Pure. */
import pc from 'picocolors';
import type { Answer } from '../../domain/answer.ts';
import type { PartitionState } from '../../connect/partition-states.ts';
import type { Look } from './seen.ts';

/** The parts that are asked, by name. */
export const partsOf = (look: Look): (readonly [string, Answer<unknown>])[] => [
  ['Temporal', look.temporal],
  ['SQL', look.store],
  ['Blob', look.blob],
  ['Event Hubs', look.eventHubs],
];

/** True when every part answered. */
export const allAnswer = (look: Look): boolean => partsOf(look).every(([, answer]) => answer.problem === undefined);

/** As long as an ingest worker looks on before it ends. */
export const STILL_MS = 5 * 60_000;

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

/** Instead of what a part would have told. */
export const silent = (part: string): string => pc.dim(`not known: ${part} does not answer`);
