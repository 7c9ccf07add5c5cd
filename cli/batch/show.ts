/** `fleetscore batch show`. */
import { BATCH_REMEDIES } from '../../domain/batch-failure.ts';
import { failureCauses, type Cause } from '../../batches/failures.ts';
import { FAILURE_REMEDIES } from '../../domain/failure-remedies.ts';
import { defined } from '../../domain/defined.ts';
import { decided, LEFT_OUT } from '../../domain/outcome.ts';
import { sensorName } from '../../domain/sensor.ts';
import { isoTime } from '../../domain/time.ts';
import { formatCount as count, formatMs, formatNumberOf as plural } from '../../report/format.ts';
import { hasEnded, type Batch, type OutcomeRow } from '../../storage/store.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import { alarmLines } from '../alarms/told.ts';
import { batchChallenge } from '../models/challenge.ts';
import type { Context } from '../frame/context.ts';
import { knownBatch } from '../frame/known.ts';
import { facts, statusColumn, statusWord, table, when } from '../frame/text.ts';
import { outcomePages } from '../../storage/pages.ts';

/** A batch as `--json` gives it. */
export function batchData(batch: Batch) {
  const { fromMs, toMs, startedAtMs, finishedAtMs, ...rest } = batch;
  return {
    ...rest,
    from: isoTime(fromMs),
    to: isoTime(toMs),
    startedAt: isoTime(startedAtMs),
    ...(finishedAtMs === undefined ? {} : { finishedAt: isoTime(finishedAtMs) }),
  };
}

export const took = (batch: Batch): string =>
  batch.finishedAtMs === undefined ? '-' : formatMs(batch.finishedAtMs - batch.startedAtMs);

/** Sensors listed one by one in the text; --json has all. */
const SHOWN = 20;

export async function showBatch(context: Context, id: string): Promise<Output> {
  const store = await context.store();
  const known = await store.findBatch(id);
  const waiting =
    known === undefined || known.status === 'waiting'
      ? await (await import('./waiting.ts')).showWaiting(context, id)
      : undefined;
  if (waiting) return waiting;
  const batch = await knownBatch(context, id);
  const counts = batch.status === 'running' ? await store.countOutcomes(id) : batch.counts;
  const failed = await allOutcomes(context, id, 'failed');
  const skipped = await allOutcomes(context, id, 'skipped');
  const causes = counts.failed > 0 ? await failureCauses(store, id) : [];
  const link = context.uiLink(batch.workflowId, batch.runId);
  const lost = await (await import('./lost.ts')).lostBatch(context, batch);
  const challenge = await batchChallenge(store, batch);
  const alarms = hasEnded(batch) ? await alarmLines(store, [batch], Date.now()) : [];
  const leftOut = await store.countLeftOut(id);
  const renewed = (await store.listBatches({ supersedes: id })).map((other) => other.id).reverse();
  const sections = [
    facts([
      ['Batch', batch.id],
      ['Period', `${when(batch.fromMs)} to ${when(batch.toMs)} UTC`],
      ['Status', statusLine(batch, lost)],
      ['Schedule', batch.schedule],
      ['Release', batch.release],
      ['Challenger', challenge?.text],
      ['Supersedes', batch.supersedes],
      ['Renewed by', renewed.join(', ')],
      ['Sensors', sensorsLine(batch, counts)],
      ['Left out', leftOut === 0 ? undefined : `${plural(leftOut, 'sensor')} ${LEFT_OUT}`],
      ['Windows', `${count(counts.windows)}, ${plural(counts.anomalies, 'anomaly', 'anomalies')}`],
      ['Took', took(batch)],
      ['Manifest', batch.manifest === undefined ? undefined : `predictions/${batch.manifest}`],
      ['Web UI', link],
      ['Class', batch.class],
      ['Why', batch.message],
    ]),
  ];
  if (alarms.length > 0) sections.push(['Alarms in its period:', ...alarms.map((line) => `  ${line}`)].join('\n'));
  if (causes.length > 1)
    sections.push(
      table(
        [{ title: 'Failure' }, { title: 'Sensors', align: 'right' }, { title: 'For example' }],
        causes.map((c) => [c.class, count(c.count), `${sensorName(c.example)}: ${c.example.message}`]),
        '',
      ),
    );
  sections.push(...badlyDecided([...failed, ...skipped]));
  const idle = nothingDone(batch, counts.windows, leftOut);
  if (idle !== undefined) sections.push(idle);
  const mend = remedies(batch, causes);
  if (mend !== '') sections.push(mend);
  return {
    data: {
      ...batchData({ ...batch, counts }),
      leftOut,
      supersededBy: renewed,
      ...(challenge ? { challenger: challenge.data } : {}),
      causes,
      failed: failed.map(outcomeData),
      skipped: skipped.map(outcomeData),
      webUi: link,
      ...defined({ lost }),
    },
    text: sections.join('\n\n'),
    ...(batch.status === 'failed' || batch.status === 'cancelled' ? { exitCode: EXIT_FAILED } : {}),
  };
}

/** Sensors that were not scored, and why; the first of many. */
function badlyDecided(outcomes: readonly OutcomeRow[]): string[] {
  if (outcomes.length === 0) return [];
  const rows = outcomes
    .slice(0, SHOWN)
    .map((o) => [sensorName(o), o.status, `${o.class ?? ''}${o.message ? `: ${o.message}` : ''}`]);
  const shown = table([{ title: 'Sensor' }, statusColumn('Outcome'), { title: 'Why' }], rows);
  const more = outcomes.length - SHOWN;
  return more > 0 ? [shown, `and ${count(more)} more: --json lists all.`] : [shown];
}

const statusLine = ({ status }: Batch, lost: string | undefined): string =>
  `${statusWord(status)}${lost === undefined ? '' : ` on record; ${lost}.`}`;

function sensorsLine({ planned, status }: Batch, counts: Batch['counts']): string {
  const parts = [
    `${count(planned)} planned: ${count(counts.scored)} scored`,
    `${count(counts.skipped)} skipped`,
    `${count(counts.failed)} failed`,
    ...(counts.cancelled > 0 ? [`${count(counts.cancelled)} cancelled`] : []),
    ...(status === 'running' ? [`${count(planned - decided(counts))} to go`] : []),
  ];
  return parts.join(', ');
}

/** Why a batch completed and scored nothing: correct, and seldom what was wanted. */
function nothingDone({ status, kind, planned }: Batch, windows: number, leftOut: number): string | undefined {
  if (status !== 'completed' || windows > 0) return undefined;
  if (planned > 0) return 'No window starts in this period, or no readings are stored for it: nothing was scored.';
  if (kind === 'redrive')
    return (
      'Nothing to score again: no sensor of that batch failed or was cancelled. ' +
      '--sensor DEVICE/SENSOR names some all the same.'
    );
  if (kind === 'rescore') return 'Nothing to score again: no readings changed since this period was scored.';
  if (leftOut > 0)
    return `No sensor was planned: ${plural(leftOut, 'sensor')} ${LEFT_OUT} (fleetscore sensors list --retired).`;
  return 'There are no sensors yet.';
}

/** What to do about a batch and its failed sensors, and how to score again; empty where nothing failed. */
function remedies(batch: Batch, causes: readonly Cause[]): string {
  const whole = batch.class === undefined || batch.class === 'sensors_failed' ? [] : [batch.class];
  if (causes.length + whole.length === 0) return '';
  const lines = [
    ...whole.map((name) => `  ${name}: ${BATCH_REMEDIES[name]}`),
    ...causes.map((c) => `  ${c.class}: ${remedyOf(c.class)}`),
  ];
  return `To mend:\n${lines.join('\n')}${hasEnded(batch) ? `\nThen: ${againCommand(batch, causes)}` : ''}`;
}

/** Failed sensors are driven again; a batch that scored none, or has no plan, is run anew. */
function againCommand(batch: Batch, causes: readonly Cause[]): string {
  if (causes.length > 0) return `fleetscore batch redrive ${batch.id} --wait`;
  return `fleetscore batch run --from ${isoTime(batch.fromMs)} --to ${isoTime(batch.toMs)} --wait`;
}

const remedyOf = (failure: string): string =>
  (FAILURE_REMEDIES as Readonly<Record<string, string>>)[failure] ?? 'look at its message';

const outcomeData = (o: OutcomeRow) => ({
  device: o.device,
  sensor: o.sensor,
  class: o.class,
  message: o.message,
  attempt: o.attempt,
  worker: o.worker,
  model: o.model,
});

async function allOutcomes(context: Context, id: string, status: 'failed' | 'skipped'): Promise<OutcomeRow[]> {
  const store = await context.store();
  const rows: OutcomeRow[] = [];
  // Enough for people and programs; a fleet without any data would list a million.
  for await (const page of outcomePages(store, id, 1_000, { status })) {
    rows.push(...page);
    if (rows.length >= 10_000) break;
  }
  return rows;
}

export const show = (context: Context, _: object, id: string): Promise<Output> => showBatch(context, id);
