/** `fleetscore models convert` and `list`: from scikit-learn pickles to ONNX, and what is published. */
import { defined } from '../../domain/defined.ts';
import { shellWord } from '../../domain/shell-word.ts';
import { formatThreshold } from '../../domain/threshold.ts';
import { formatDuration, isoTime } from '../../domain/time.ts';
import { formatCount, formatNumberOf, formatShare } from '../../report/format.ts';
import type { Challenger } from '../../domain/challenge.ts';
import type { Release } from '../../storage/contract/releases.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { requireRelease } from './releases.ts';
import { emptyIn, table, when } from '../frame/text.ts';
import { tell } from '../frame/terminal.ts';

/** Names of files shown at a time. */
const SHOWN = 10;

export async function convert(
  context: Context,
  options: { features?: string },
  dir: string,
  out: string,
): Promise<Output> {
  const { convertModels } = await import('../../scoring/convert.ts');
  const summary = await convertModels(dir, out, {
    toolsDir: context.config.toolsDir,
    log: tell,
    ...defined({ features: options.features?.split(',').map((name) => name.trim()) }),
  });
  const bad = summary.models.filter((model) => !model.ok);
  const converted = summary.models.length - bad.length;
  return {
    data: summary,
    text: [
      `${formatNumberOf(converted, 'model')} converted to ${out}.`,
      ...refusedText(bad),
      ...summary.models.flatMap((model) =>
        model.ok && model.note !== undefined ? [`${model.file}: ${model.note}`] : [],
      ),
      ...leftAlone(summary.ignored),
      ...(converted === 0
        ? []
        : [`Next${bad.length === 0 ? '' : ', for those that are'}: fleetscore models publish ${shellWord(out)}`]),
    ].join('\n'),
    ...(bad.length === 0 ? {} : { exitCode: EXIT_FAILED }),
  };
}

/** Which files were not taken for models, by name as far as there is room. */
function leftAlone(files: readonly string[]): string[] {
  if (files.length === 0) return [];
  return [`Left alone, not models by their names or not in manifest.csv: ${shown(files)}.`];
}

const shown = (files: readonly string[]): string =>
  files.slice(0, SHOWN).join(', ') + (files.length > SHOWN ? `, and ${files.length - SHOWN} more` : '');

/** Why files were refused, a line for each reason: of a folder of other names all have one. */
const refusedText = (refused: readonly { readonly file: string; readonly error: string }[]): string[] =>
  [...Map.groupBy(refused, ({ error }) => error)].map(
    ([error, models]) => `${shown(models.map(({ file }) => file))}: ${error}`,
  );

function roleOf(release: Release, challenger: Challenger | undefined): string {
  if (release.current) return 'current';
  return release.name === challenger?.release ? `challenger on ${formatShare(challenger.share, 1)}` : '';
}

export async function list(context: Context, options: { release?: string; limit: number }): Promise<Output> {
  const store = await context.store();
  const releases = await store.listReleases();
  const challenger = await store.findChallenger();
  if (options.release === undefined)
    return {
      data: releases.map(({ createdAtMs, ...rest }) => ({
        ...rest,
        challenger: rest.name === challenger?.release,
        createdAt: isoTime(createdAtMs),
      })),
      text: table(
        [
          { title: 'Release', whole: true },
          { title: 'Created (UTC)', whole: true, leave: 1 },
          { title: 'Models', align: 'right' },
          { title: '' },
        ],
        releases.map((r) => [r.name, when(r.createdAtMs), formatCount(r.models), roleOf(r, challenger)]),
        emptyIn(context, 'No models yet. Publish some: fleetscore models publish DIR'),
      ),
    };
  const current = releases.find((r) => r.current)?.name;
  const { name, models: total } = requireRelease(
    releases,
    options.release === 'current' && current !== undefined ? current : options.release,
  );
  const models = await store.listReleaseModels(name, { limit: options.limit });
  const pooled = models.some((m) => m.pool !== undefined);
  const limited = models.some((m) => m.threshold);
  const windowed = models.some((m) => m.windowMs !== undefined);
  const left =
    total > models.length ? `\n${formatCount(models.length)} of ${formatCount(total)} models; --limit shows more.` : '';
  return {
    data: models.map(({ threshold, windowMs, ...model }) => ({
      ...model,
      ...(windowMs === undefined ? {} : { window: formatDuration(windowMs) }),
      ...(threshold ? { threshold: formatThreshold(threshold) } : {}),
    })),
    text: `${table(
      [
        { title: 'Device' },
        { title: 'Sensor' },
        { title: 'Kind' },
        { title: 'Features' },
        ...(pooled ? [{ title: 'Pool' }] : []),
        ...(limited ? [{ title: 'Threshold' }] : []),
        ...(windowed ? [{ title: 'Window' }] : []),
        { title: 'Bytes', align: 'right', leave: 2 },
        { title: 'SHA-256', whole: true, leave: 1 },
      ],
      models.map((m) => [
        m.device,
        m.sensor,
        m.kind,
        m.features.join(' '),
        ...(pooled ? [m.pool ?? '-'] : []),
        ...(limited ? [m.threshold ? formatThreshold(m.threshold) : '-'] : []),
        ...(windowed ? [m.windowMs === undefined ? '-' : formatDuration(m.windowMs)] : []),
        formatCount(m.bytes),
        m.model.slice(0, 16),
      ]),
    )}${left}`,
  };
}
