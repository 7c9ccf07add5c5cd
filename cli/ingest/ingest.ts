/** `fleetscore ingest status`: how far the readings have come. */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../domain/errors.ts';
import { isoTime, parseDuration } from '../../domain/time.ts';
import { REMEDY } from '../../ingest/hub-check.ts';
import { formatCount, formatMs, formatNumberOf } from '../../report/format.ts';
import {
  partitionStates,
  readingsPerSecond,
  type HubEnd,
  type PartitionState,
} from '../../connect/partition-states.ts';
import type { HubReader } from '../../connect/partitions.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { dropSummary } from '../drop/summary.ts';
import { facts, table, when } from '../frame/text.ts';

interface HubAnswer {
  readonly source: string;
  readonly ends: readonly HubEnd[];
  readonly problem?: string;
}

export async function status(context: Context, options: { rateOver: string }): Promise<Output> {
  const store = await context.store();
  const watchMs = parseDuration(options.rateOver);
  const started = performance.now();
  const first = await store.listProgress();
  const hub =
    context.config.eventHubs.connection === undefined
      ? undefined
      : await askHub((await import('../../connect/partitions.ts')).openHubReader(context.config));
  if (first.length > 0) await sleep(Math.max(0, watchMs - (performance.now() - started)));
  const progress = (await store.listProgress()).filter((p) => hub === undefined || p.source === hub.source);
  const tookMs = performance.now() - started;
  const states = partitionStates(progress, hub?.source, hub?.ends);
  const rules = await (await import('../../ingest/event-rules.ts')).lastRules(store);
  const dropped = await store.countDropped();
  const drop = dropSummary(dropped);
  const rateOf = (state: PartitionState): number | undefined => readingsPerSecond(first, state, tookMs);
  return {
    data: {
      eventHubs: {
        configured: hub !== undefined,
        answers: hub !== undefined && hub.problem === undefined,
        problem: hub?.problem ?? null,
      },
      partitions: states.map((state) => stateData(state, rateOf(state))),
      rules: rules === undefined ? null : { text: rules.text, since: rules.since, changes: rules.number - 1 },
      drop: dropped,
    },
    text: [
      ...(states.length === 0
        ? ['No readings yet: they come with an ingest worker (fleetscore up) and events (fleetscore send FILE.csv).']
        : [describe(states, rateOf)]),
      ...(rules === undefined || rules.number === 1
        ? []
        : [`Events are read with ${rules.text} since ${rules.since}; before, by other rules.`]),
      ...(drop === undefined ? [] : [`Files in the drop: ${drop}.`]),
      ...states.flatMap(({ partition, problem }) =>
        problem === undefined
          ? []
          : [`Partition ${partition} is not the one that was read before, and stands still: ${problem}. ${REMEDY}`],
      ),
      ...(hub?.problem === undefined ? [] : [`The lag is not known: ${hub.problem}`]),
      ...(hub === undefined
        ? ['The lag is not known: Event Hubs is not configured and no laptop stack runs here.']
        : []),
    ].join('\n\n'),
    ...(hub?.problem === undefined ? {} : { exitCode: EXIT_FAILED }),
  };
}

async function askHub(reader: HubReader): Promise<HubAnswer> {
  try {
    return { source: reader.source, ends: await reader.ends() };
  } catch (error) {
    return { source: reader.source, ends: [], problem: messageOf(error) };
  } finally {
    await reader.close().catch(() => {});
  }
}

function stateData(state: PartitionState, rate: number | undefined): object {
  const { watermarkMs, updatedAtMs } = state;
  return {
    source: state.source,
    partition: state.partition,
    lastEnqueued: state.lastSeq ?? null,
    applied: state.appliedSeq,
    captured: state.capturedSeq,
    lagEvents: state.lagEvents ?? null,
    watermark: watermarkMs < 0 ? null : isoTime(watermarkMs),
    watermarkAgeSeconds: watermarkMs < 0 ? null : (Date.now() - watermarkMs) / 1000,
    readings: state.readings,
    readingsPerSecond: rate ?? null,
    late: state.late,
    dead: state.dead,
    problem: state.problem ?? null,
    updated: updatedAtMs === undefined ? null : isoTime(updatedAtMs),
  };
}

type RateOf = (state: PartitionState) => number | undefined;

const right = (title: string) => ({ title, align: 'right' as const });
const known = (n: number | undefined): string => (n === undefined ? '-' : formatCount(n));

function describe(states: readonly PartitionState[], rateOf: RateOf): string {
  const sources = [...new Set(states.map((state) => state.source))];
  return [
    ...sources.map((source) =>
      describeSource(
        source,
        states.filter((state) => state.source === source),
        rateOf,
      ),
    ),
    describeAll(states, rateOf),
  ].join('\n\n');
}

/** Two tables, because one with everything does not fit a terminal. */
function describeSource(source: string, own: readonly PartitionState[], rateOf: RateOf): string {
  const now = Date.now();
  const seq = (n: number | undefined): string => (n === undefined || n < 0 ? '-' : formatCount(n));
  const ago = (ms: number | undefined): string => (ms === undefined || ms < 0 ? '-' : formatMs(Math.max(0, now - ms)));
  return [
    facts([['Source', source]]),
    table(
      [
        { title: 'Partition' },
        right('In Event Hubs'),
        right('Applied'),
        right('Captured'),
        right('Lag'),
        { title: 'Updated', whole: true },
      ],
      own.map((s) => [
        s.partition,
        seq(s.lastSeq),
        seq(s.appliedSeq),
        seq(s.capturedSeq),
        known(s.lagEvents),
        s.updatedAtMs === undefined ? '-' : `${ago(s.updatedAtMs)} ago`,
      ]),
    ),
    '',
    table(
      [
        { title: 'Partition', whole: true },
        { title: 'Watermark (UTC)', whole: true, leave: 1 },
        { title: 'Age', whole: true },
        right('Readings'),
        right('A second'),
        right('Late'),
        right('Dead'),
      ],
      own.map((s) => [
        s.partition,
        when(s.watermarkMs),
        ago(s.watermarkMs),
        formatCount(s.readings),
        known(rateOf(s)),
        formatCount(s.late),
        formatCount(s.dead),
      ]),
    ),
  ].join('\n');
}

/** Sums over all partitions. */
function describeAll(states: readonly PartitionState[], rateOf: RateOf): string {
  const sum = (of: (state: PartitionState) => number | undefined): number | undefined => {
    const found = states.map(of).filter((n) => n !== undefined);
    return found.length === 0 ? undefined : found.reduce((total, n) => total + n, 0);
  };
  const lag = sum((s) => s.lagEvents);
  const rate = sum(rateOf);
  const dead = sum((s) => s.dead) ?? 0;
  return facts([
    ['Lag', lag === undefined ? undefined : formatNumberOf(lag, 'event')],
    [
      'Readings',
      `${formatCount(sum((s) => s.readings) ?? 0)}${rate === undefined ? '' : `, ${formatCount(rate)} a second now`}`,
    ],
    ['Late', formatCount(sum((s) => s.late) ?? 0)],
    ['Dead', `${formatCount(dead)}${dead > 0 ? ' (fleetscore ingest deadletters)' : ''}`],
  ]);
}
