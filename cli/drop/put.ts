/** `fleetscore drop put FILE...`: files into the drop, and what became of them. */
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dropBox } from '../../connect/blob-storage.ts';
import { CONTAINERS } from '../../domain/blob-names.ts';
import type { HeldDrop } from '../../domain/drop.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { notTaken } from '../../domain/send-tally.ts';
import { parseDuration } from '../../domain/time.ts';
import { isIgnored } from '../../ingest/drop/candidates.ts';
import { formatNumberOf } from '../../report/format.ts';
import { sameTag } from '../../storage/drop-box.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { interruption } from '../frame/interrupt.ts';
import { becameOf } from '../ingest/became.ts';
import { formatOf, sizeOf, type SendOptions } from '../ingest/send.ts';
import { dropData } from './list.ts';

export interface PutOptions extends SendOptions {
  readonly folder?: string;
}

interface Put {
  readonly file: string;
  readonly name: string;
  readonly etag: string;
}

const POLL_MS = 500;

/** @throws FleetscoreError `FILE_UNREADABLE`, `INVALID_ARGUMENT`, `DROP_WAITS`, and what Blob throws */
export async function put(context: Context, options: PutOptions, files: readonly string[]): Promise<Output> {
  const format = formatOf(options);
  const names = files.map((file) => nameOf(file, options.folder));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `two of the files would be ${twice} in the drop: put them one after the other, each with a --folder of its own.`,
    );
  const sizes = await Promise.all(files.map(sizeOf));
  const empty = files[sizes.indexOf(0)];
  if (empty !== undefined) throw new FleetscoreError('FILE_UNREADABLE', `${empty} cannot be put there: it is empty.`);
  const box = dropBox(context.config);
  const said = Object.keys(format).length === 0 ? undefined : JSON.stringify(format);
  const there: Put[] = [];
  for (const [i, file] of files.entries())
    there.push({ file, name: names[i]!, ...(await box.put(names[i]!, file, said)) });
  const lie = `${formatNumberOf(there.length, 'file')} put into the drop.`;
  if (!options.wait)
    return {
      data: { put: there.map(({ file, name }) => ({ file, name })) },
      text: `${lie} An ingest worker reads ${there.length === 1 ? 'it' : 'them'} within a minute: fleetscore drop list`,
    };
  const ended = await waitFor(context, there, parseDuration(options.waitTimeout));
  const whole = ended.every(
    ({ state, result }) => state === 'done' && result !== undefined && notTaken(result.tally) === 0,
  );
  return {
    data: { put: ended.map(dropData) },
    text: [lie, ...ended.map(told)].join('\n'),
    ...(whole && ended.length === there.length ? {} : { exitCode: EXIT_FAILED }),
  };
}

/** A file's name in the drop. @throws FleetscoreError `INVALID_ARGUMENT` */
function nameOf(file: string, folder: string | undefined): string {
  const parts = (folder ?? '').split('/').filter(Boolean);
  const name = [...parts, basename(file)].join('/');
  if (file === '-' || parts.includes('..') || parts.includes('.') || isIgnored(name) || name.length > 1_024)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(name)} is no name for a file in the drop: names and folders that begin with a dot or an ` +
        'underscore, or end in .tmp or .part, are not read. Name the file otherwise, or another --folder.',
    );
  return name;
}

/** Those that have ended when all have, or when it is interrupted. @throws FleetscoreError `DROP_WAITS` */
async function waitFor(context: Context, there: readonly Put[], timeoutMs: number): Promise<HeldDrop[]> {
  const store = await context.store();
  const signal = interruption();
  const untilMs = performance.now() + timeoutMs;
  for (;;) {
    const records = await store.listDropped();
    const ended = there.flatMap(({ name, etag }) =>
      records.filter((one) => one.name === name && sameTag(one.etag, etag) && one.state !== 'reading'),
    );
    if (ended.length === there.length || signal.aborted) return ended;
    if (performance.now() > untilMs)
      throw new FleetscoreError(
        'DROP_WAITS',
        `${formatNumberOf(there.length - ended.length, 'file')} in the drop not read yet: look whether an ingest ` +
          `worker runs that may read the container ${CONTAINERS.drop} (fleetscore doctor, ` +
          'fleetscore logs --worker ingest). ' +
          'The files stay there, and are read when one does.',
        { retryable: true },
      );
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

function told({ name, result }: HeldDrop): string {
  if (!result) return `${name}: not known`;
  if (result.reason !== undefined) return `${name}: ${result.reason}`;
  const became = becameOf({ events: 0 }, result.tally);
  return [
    `${name}: ${formatNumberOf(result.read, 'reading')}${became.short}.`,
    ...became.lines,
    ...(result.readAs === undefined ? [] : [`Read as: ${result.readAs}`]),
  ].join('\n');
}
