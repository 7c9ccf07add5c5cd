/** `fleetscore verify BATCH`: proves that a batch lost nothing, or says what does not fit. */
import { holeLines, type Mended } from '../../batches/holes.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { formatCount, formatNumberOf as plural } from '../../report/format.ts';
import { CHECKS, type CheckName } from '../../verify/findings.ts';
import { foundIn, type VerifyReport } from '../../verify/verify-batch.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { knownBatch } from '../frame/known.ts';
import { timeAgo } from '../frame/period.ts';
import { facts, statusWord } from '../frame/text.ts';
import { newestHoles, verify } from './verify.ts';
import { verifySince } from './verify-since.ts';

interface VerifyOptions {
  readonly holes?: number;
  readonly since?: string;
}

export async function run(context: Context, { holes, since }: VerifyOptions, id: string | undefined): Promise<Output> {
  if ([id, holes, since].filter((one) => one !== undefined).length !== 1)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      'give one of these: a batch, --since TIME for all that began since then, or --holes N for the newest N batches.',
    );
  if (since !== undefined) return verifySince(context, timeAgo(since, '--since', Date.now()));
  if (id === undefined) return holesOutput(await newestHoles(context, holes!));
  await knownBatch(context, id);
  return output(await verify(context, id));
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
