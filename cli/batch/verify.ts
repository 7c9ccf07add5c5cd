/** `fleetscore verify BATCH`: proves that a batch lost nothing, or says what does not fit. */
import { holeLines, mendHoles, type Mended } from '../../batches/holes.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { formatCount, formatNumberOf as plural } from '../../report/format.ts';
import { CHECKS, type CheckName } from '../../verify/findings.ts';
import { foundIn, verifyBatch, type VerifyReport } from '../../verify/verify-batch.ts';
import { workflowEnd, type WorkflowEnd } from '../../verify/workflow-end.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { knownBatch } from '../frame/known.ts';
import { facts, statusWord } from '../frame/text.ts';
import { hasEnded } from '../../storage/store.ts';

export async function run(context: Context, { holes }: { holes?: number }, id: string | undefined): Promise<Output> {
  if ((id === undefined) === (holes === undefined))
    throw new FleetscoreError('INVALID_ARGUMENT', 'give either a batch, or --holes N for the newest N batches.');
  if (id === undefined) return holesOutput(await newestHoles(context, holes!));
  await knownBatch(context, id);
  return output(await verify(context, id));
}

/** Looks at the newest batches, and mends what can be mended without scoring. */
export async function newestHoles(context: Context, newest: number): Promise<Mended> {
  const store = await context.store();
  return mendHoles({ store, blobs: context.blobs() }, await store.listBatches({ limit: newest }));
}

function holesOutput(mended: Mended): Output {
  const lines = holeLines(mended);
  return {
    data: {
      manifests: mended.manifests,
      holes: mended.holes.map(({ batch, files }) => ({ batch: batch.id, files: files.map((file) => file.blob) })),
      ok: mended.holes.length === 0,
    },
    text: lines.length === 0 ? 'Blob has the manifest and every file of these batches.' : lines.join('\n'),
    ...(mended.holes.length === 0 ? {} : { exitCode: EXIT_FAILED }),
  };
}

/** @throws FleetscoreError `BATCH_UNKNOWN`, `BATCH_RUNNING` */
export async function verify(context: Context, id: string): Promise<VerifyReport> {
  return verifyBatch(
    {
      store: await context.store(),
      blobs: context.blobs(),
      workflowEnd: async (batch): Promise<WorkflowEnd> => {
        try {
          return await workflowEnd(await context.client(), batch.workflowId, batch.runId, hasEnded(batch));
        } catch (error) {
          return { state: 'unknown', reason: `Temporal was not asked (${messageOf(error)})` };
        }
      },
    },
    id,
  );
}

function output(report: VerifyReport): Output {
  const total = foundIn(report);
  const checks = Object.entries(CHECKS).map(([name, title]) => {
    const found = report.found[name as CheckName];
    return `${found === 0 ? 'ok     ' : 'broken '} ${title}${found === 0 ? '' : ` (${plural(found, 'finding')})`}`;
  });
  const sections = [
    facts([
      ['Batch', report.batch],
      ['Status', statusWord(report.status)],
      ['Sensors', `${formatCount(report.planned)} planned, ${plural(report.outcomes, 'outcome')}`],
      ['Files', `${formatCount(report.files)} with ${plural(report.rows, 'row')}`],
    ]),
    checks.join('\n'),
    ...(total === 0 ? [] : [report.findings.map(({ check, message }) => `${check}: ${message}`).join('\n')]),
    ...(total > report.findings.length
      ? [`and ${formatCount(total - report.findings.length)} more of the same checks`]
      : []),
    ...(report.notes.length === 0 ? [] : [report.notes.map((note) => `note: ${note}`).join('\n')]),
    total === 0
      ? 'Nothing is lost: every check holds.'
      : `${plural(total, 'finding')}: this batch does not keep what it promises.`,
  ];
  return {
    data: { ...report, ok: total === 0 },
    text: sections.join('\n\n'),
    ...(total === 0 ? {} : { exitCode: EXIT_FAILED }),
  };
}
