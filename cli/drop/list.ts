/** `fleetscore drop list` and `drop retry`: what became of the files of the drop. */
import type { DropResult, HeldDrop } from '../../domain/drop.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { notTaken } from '../../domain/send-tally.ts';
import { isoTime } from '../../domain/time.ts';
import { formatBytes } from '../../domain/bytes.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';
import { harmless } from '../../report/text-width.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { table, when } from '../frame/text.ts';

export async function list(
  context: Context,
  { failed, limit }: { readonly failed?: boolean; readonly limit: number },
): Promise<Output> {
  const files = await (await context.store()).listDropped({ limit, ...(failed ? { state: 'failed' as const } : {}) });
  return {
    data: files.map(dropData),
    text: failed ? failures(files) : overview(files),
  };
}

const right = (title: string) => ({ title, align: 'right' as const });

function overview(files: readonly HeldDrop[]): string {
  return table(
    [
      { title: 'Begun (UTC)', whole: true, leave: 1 },
      { title: 'State', whole: true },
      right('Size'),
      right('Readings'),
      right('Not taken'),
      { title: 'File' },
    ],
    files.map(({ begunMs, state, bytes, result, name }) => [
      when(begunMs),
      state,
      formatBytes(bytes),
      result ? formatCount(result.tally.readings) : '-',
      result ? formatCount(notTaken(result.tally)) : '-',
      harmless(name),
    ]),
    'No file was read yet; one that is there is read within a minute. Put one there: fleetscore drop put FILE.csv',
  );
}

const failures = (files: readonly HeldDrop[]): string =>
  files.length === 0
    ? 'No file failed.'
    : files
        .map(
          ({ name, endedMs, result }) =>
            `${harmless(name)} (${when(endedMs ?? 0)} UTC)\n${result?.reason ?? 'unknown'}`,
        )
        .concat('Once the cause is mended: put the file there again, or fleetscore drop retry NAME')
        .join('\n\n');

/** A file as one JSON document. */
export const dropData = ({ name, etag, state, bytes, begunMs, endedMs, result }: HeldDrop) => ({
  name,
  etag,
  state,
  bytes,
  begun: isoTime(begunMs),
  ended: endedMs === undefined ? null : isoTime(endedMs),
  ...resultData(result),
});

const resultData = (result: DropResult | undefined) => ({
  read: result?.read ?? null,
  became: result?.tally ?? null,
  missing: result?.missing ?? null,
  notGood: result?.notGood ?? null,
  readAs: result?.readAs ?? null,
  reason: result?.reason ?? null,
});

/** @throws FleetscoreError `DROP_UNKNOWN` */
export async function retry(context: Context, _: object, names: readonly string[]): Promise<Output> {
  const store = await context.store();
  const unknown: string[] = [];
  for (const name of names) if (!(await store.forgetDropped(name))) unknown.push(JSON.stringify(name));
  if (unknown.length > 0)
    throw new FleetscoreError(
      'DROP_UNKNOWN',
      `no file ${unknown.join(', ')} of the drop was read to its end: fleetscore drop list shows those that were.` +
        (unknown.length < names.length ? ' The others that were named are to be read again.' : ''),
    );
  return {
    data: { retried: names },
    text: `${formatNumberOf(names.length, 'file')} to be read again, as far as still in the drop.`,
  };
}
