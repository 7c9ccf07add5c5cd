/**
 * `fleetscore verify --since 7d`: everything at once. Each batch that began since then is checked as `verify BATCH`
 * checks one, lost files and manifests among it, and what no batch can tell is looked for beside them: periods that no
 * batch scored, workflows that do not go on, batches whose alarms nobody decided on, and readings that ingest took for
 * old ones or that are in no raw capture. It only reads.
 */
import { countMissed, findGaps, type ScheduleGap } from '../../batches/schedule-gaps.ts';
import { seeSchedules } from '../../connect/schedule-times.ts';
import { openHubReader } from '../../connect/partitions.ts';
import { STUCK_REMEDY, stuckWorkflows, type StuckWorkflow } from '../../connect/workflow-problems.ts';
import { messageOf } from '../../domain/errors.ts';
import { mapLimit } from '../../scoring/concurrency.ts';
import { isoTime } from '../../domain/time.ts';
import { formatCount, formatNumberOf as plural } from '../../report/format.ts';
import { harmless } from '../../report/text-width.ts';
import { hasEnded, type Batch, type Store } from '../../storage/store.ts';
import { evidenceOf, lossesOf, type HubNow } from '../../verify/ingest-losses.ts';
import { foundIn, type VerifyReport } from '../../verify/verify-batch.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { when } from '../frame/text.ts';
import { gapData, remedyOf } from '../schedule/describe.ts';
import { verify } from './verify.ts';

/** What does not fit since a time; batches that are whole are only counted. */
export interface VerifiedSince {
  readonly batches: number;
  /** Under way: nothing of them is to be trusted yet. */
  readonly open: number;
  readonly rows: number;
  readonly broken: readonly VerifyReport[];
  readonly gaps: readonly { readonly schedule: string; readonly gap: ScheduleGap }[];
  readonly stuck: readonly StuckWorkflow[];
  /** Batches with predictions whose alarms were not decided on to the end, closed longer than ten minutes ago. */
  readonly undecided: readonly string[];
  /** Of ingest, in words. */
  readonly losses: readonly string[];
  /** What could not be looked at. */
  readonly notes: readonly string[];
}

/** Alarms are decided on after a batch is closed: so long it may be under way. */
const DECIDING_MS = 600_000;
const MOST_UNDECIDED = 1_000;
/** Batches that are looked at side by side: most of the time is spent waiting for Blob. */
const AT_ONCE = 4;

/** @throws what store, Blob and Temporal throw when they do not answer: then nothing is proved */
export async function checkSince(context: Context, sinceMs: number): Promise<VerifiedSince> {
  const [store, client] = [await context.store(), await context.client()];
  const batches = await begunSince(store, sinceMs);
  const ended = batches.filter(hasEnded);
  const reports = await mapLimit(ended, AT_ONCE, async ({ id }) => {
    const report = await verify(context, id);
    return { rows: report.rows, broken: foundIn(report) > 0 ? [report] : [] };
  });
  const question = { nowMs: Date.now(), sinceMs, keepBatchesMs: context.config.keep.batchesMs };
  const gaps = [...(await findGaps(store, await seeSchedules(client), question))].flatMap(([schedule, of]) =>
    of.filter(({ state }) => state !== 'running').map((gap) => ({ schedule, gap })),
  );
  const stuck = await stuckWorkflows(client);
  const undecided = await store.undecidedAlarmBatches(sinceMs - 1, Date.now() - DECIDING_MS, MOST_UNDECIDED);
  return {
    batches: ended.length,
    open: batches.length - ended.length,
    rows: reports.reduce((sum, { rows }) => sum + rows, 0),
    broken: reports.flatMap(({ broken }) => broken),
    gaps,
    stuck,
    undecided,
    ...(await ingestSince(context, sinceMs)),
  };
}

/** What ingest lost without a word; a hub that does not answer is a note. */
export async function ingestSince(
  context: Pick<Context, 'store' | 'blobs' | 'config'>,
  sinceMs: number,
): Promise<Pick<VerifiedSince, 'losses' | 'notes'>> {
  const [store, blobs, nowMs] = [await context.store(), context.blobs(), Date.now()];
  const { seen, source, note } = await hubNow(context);
  const { capture, captureIntervalMs } = context.config.ingest;
  const losses: string[] = [];
  for (const progress of await store.listProgress()) {
    const hub = progress.source === source ? seen.get(progress.partition) : undefined;
    const evidence = await evidenceOf(blobs, progress, hub, { sinceMs, nowMs });
    losses.push(...lossesOf(evidence, capture ? captureIntervalMs : undefined));
  }
  return { losses, notes: note === undefined ? [] : [note] };
}

/** What the configured hub says of its partitions, by partition. */
async function hubNow({ config }: Pick<Context, 'config'>): Promise<{
  readonly seen: ReadonlyMap<string, HubNow>;
  readonly source?: string;
  readonly note?: string;
}> {
  if (!config.eventHubs.connection) return { seen: new Map() };
  const reader = openHubReader(config);
  try {
    const createdMs = await reader.createdMs();
    const seen = (await reader.ends()).map(
      ({ partition, lastSeq, lastEnqueuedMs = 0 }) => [partition, { createdMs, lastSeq, lastEnqueuedMs }] as const,
    );
    return { seen: new Map(seen), source: reader.source };
  } catch (error) {
    return { seen: new Map(), note: `Event Hubs was not compared: ${messageOf(error)}` };
  } finally {
    await reader.close().catch(() => {});
  }
}

/** Asked for in ever more of the newest: a store may hold years. */
async function begunSince(store: Store, sinceMs: number): Promise<Batch[]> {
  for (let limit = 500; ; limit *= 4) {
    const newest = await store.listBatches({ limit });
    const since = newest.filter(({ startedAtMs }) => startedAtMs >= sinceMs);
    if (newest.length < limit || since.length < newest.length) return since;
  }
}

/** What does not fit, a line each; empty when everything does. */
export function brokenLines({ broken, gaps, stuck, undecided, losses }: Omit<VerifiedSince, 'notes'>): string[] {
  return [
    ...losses,
    ...broken.flatMap(({ batch, findings }) => findings.map(({ check, message }) => `${batch}: ${check}: ${message}`)),
    ...gaps.map(
      ({ schedule, gap }) =>
        `schedule ${harmless(schedule)}: ${plural(gap.periods, 'period')} not scored (${gap.state}), ${when(gap.fromMs)} to ${when(gap.toMs)} UTC: ${remedyOf(schedule, gap)}`,
    ),
    ...stuck.map(({ workflowId, problem }) => `workflow ${harmless(workflowId)} does not go on (${problem})`),
    ...(stuck.length === 0 ? [] : [STUCK_REMEDY]),
    ...undecided.map((id) => `${id}: its alarms were not decided on: fleetscore logs --batch ${id} --worker control`),
  ];
}

export async function verifySince(context: Context, sinceMs: number): Promise<Output> {
  const found = await checkSince(context, sinceMs);
  const lines = brokenLines(found);
  const periods = countMissed(found.gaps.map(({ gap }) => gap));
  const head = `${plural(found.batches, 'batch', 'batches')} that began since ${when(sinceMs)} UTC, with ${plural(found.rows, 'row')} of predictions${found.open === 0 ? '' : `; ${formatCount(found.open)} under way`}.`;
  const end =
    lines.length === 0
      ? 'Nothing is lost: every check holds, no period is missing, every workflow goes on.'
      : `${plural(found.broken.length, 'batch', 'batches')} broken, ${plural(periods, 'period')} not scored, ${plural(found.stuck.length, 'workflow')} stuck${found.undecided.length === 0 ? '' : `, alarms of ${plural(found.undecided.length, 'batch', 'batches')} not decided on`}${found.losses.length === 0 ? '' : `, ${plural(found.losses.length, 'loss', 'losses')} of ingest`}.`;
  return {
    data: {
      since: isoTime(sinceMs),
      batches: found.batches,
      open: found.open,
      rows: found.rows,
      broken: found.broken,
      gaps: found.gaps.map(({ schedule, gap }) => ({ schedule, ...gapData(gap), command: remedyOf(schedule, gap) })),
      stuck: found.stuck,
      undecided: found.undecided,
      losses: found.losses,
      notes: found.notes,
      ok: lines.length === 0,
    },
    text: [head, ...(lines.length === 0 ? [] : [lines.join('\n')]), end, ...found.notes].join('\n\n'),
    ...(lines.length === 0 ? {} : { exitCode: EXIT_FAILED }),
  };
}
