/** `fleetscore db ...`: the schema of the SQL store. */
import { keptTooShort, tooShortText } from '../../batches/kept-too-short.ts';
import { pruneBlobs, type PrunedBlobs } from '../../batches/prune-blobs.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { isoTime, parseDuration } from '../../domain/time.ts';
import { sourceFolder } from '../../ingest/event.ts';
import { formatBytes } from '../../domain/bytes.ts';
import { formatNumberOf } from '../../report/format.ts';
import { openStore } from '../../storage/open-store.ts';
import { adoptBlobs } from '../../storage/deployment-id.ts';
import { cutNow, cutOf } from '../../storage/retention.ts';
import type { MigrationState, Store, StoreRoom } from '../../storage/store.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import { notice, type Context } from '../frame/context.ts';
import { facts, table, when } from '../frame/text.ts';

interface PruneOptions {
  readonly windows?: string;
  readonly batches?: string;
}

export async function prune(context: Context, options: PruneOptions): Promise<Output> {
  const { keep } = context.config;
  const store = await context.store();
  const nowMs = Date.now();
  // Ages that are given count from now; those of the settings as the control worker counts them.
  const cut = {
    ...(await cutNow(store, keep, nowMs)),
    ...cutOf(
      {
        ...(options.windows === undefined ? {} : { windowsMs: parseDuration(options.windows) }),
        ...(options.batches === undefined ? {} : { batchesMs: parseDuration(options.batches) }),
      },
      nowMs,
    ),
  };
  if (Object.keys(cut).length === 0)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      'nothing says what is too old. Give --windows or --batches, or set FLEETSCORE_KEEP_WINDOWS or ' +
        'FLEETSCORE_KEEP_BATCHES.',
    );
  const keptMs = cut.windowsBeforeMs === undefined ? undefined : nowMs - cut.windowsBeforeMs;
  const short = await keptTooShort(store, context.config.ingest, await store.currentRelease(), keptMs);
  const blobs = keep.blobs ? await pruneBlobs({ store, blobs: context.blobs() }, cut, sourceFolder) : undefined;
  const gone = await store.prune(cut);
  const room = await store.room();
  return {
    data: { ...gone, blobs: blobs ?? null, room: room ?? null, keptTooShort: short ?? null },
    text:
      `${formatNumberOf(gone.windows, 'window')}, ${formatNumberOf(gone.batches, 'batch', 'batches')} and ` +
      `${formatNumberOf(gone.outcomes, 'outcome')} deleted.${blobsText(blobs)}${roomText(room)}` +
      (short
        ? `\nNote: ${tooShortText(short, options.windows === undefined ? 'FLEETSCORE_KEEP_WINDOWS' : '--windows')}.`
        : ''),
  };
}

const blobsText = (blobs: PrunedBlobs | undefined): string =>
  blobs
    ? ` From Blob: ${formatNumberOf(blobs.raw, 'raw file')}, ${formatNumberOf(blobs.predictions, 'file')} of ` +
      `predictions, ${formatNumberOf(blobs.site, 'page')}, ${formatNumberOf(blobs.logs, 'log')}.`
    : ' Blobs stay (FLEETSCORE_PRUNE_BLOBS=off).';

/** What pruning does to the disk: SQLite keeps its file, and fills it again. */
function roomText(room: StoreRoom | undefined): string {
  if (!room) return '';
  return (
    `\nThe file stays as large (${formatBytes(room.fileBytes)}); ` +
    `${formatBytes(room.reusableBytes)} of it are free and used again before it grows. ` +
    'To give them back to the disk: fleetscore down, db backup FILE, put FILE in its place.'
  );
}

export async function backup(context: Context, _: object, file: string): Promise<Output> {
  const startedAt = performance.now();
  const { bytes } = await (await context.store()).backup(file);
  const seconds = (performance.now() - startedAt) / 1_000;
  return {
    data: { file, bytes, seconds: Math.round(seconds * 10) / 10 },
    text:
      `${file}: ${formatBytes(bytes)} in ${seconds.toFixed(1)} s, whole and checked. ` +
      'To go back to it: fleetscore down, put it in the place of ' +
      `${context.config.sqlUrl.replace(/^sqlite:/i, '')} (without the files -wal and -shm beside ` +
      'it), fleetscore up.',
  };
}

export async function adopt(context: Context, { blobsOf }: { readonly blobsOf: string }): Promise<Output> {
  const { id, before } = await adoptBlobs(await context.store(), context.blobs(), blobsOf);
  return {
    data: { deployment: id, before },
    text:
      before.length === 0
        ? `The account belongs to deployment ${id} already.`
        : `The account belongs to deployment ${id} now; before, to ${before.join(', ')}.`,
  };
}

export async function migrate(context: Context): Promise<Output> {
  const store = await openStore(context.config.sqlUrl, { onWait: notice(context) });
  try {
    const applied = await store.migrate();
    const states = await store.migrationStatus();
    return {
      data: { ...schemaOf(store, states), applied },
      text:
        applied.length === 0
          ? `Nothing to do: the schema of the ${store.engine} store is at version ${versionOf(states)}.`
          : `${formatNumberOf(applied.length, 'migration')} applied (${applied.join(', ')}): the schema of the ` +
            `${store.engine} store is at version ${versionOf(states)}.`,
    };
  } finally {
    await store.close();
  }
}

export async function status(context: Context): Promise<Output> {
  // Looks only: nothing is made or changed.
  const store = await openStore(context.config.sqlUrl, { create: false, onWait: notice(context) });
  try {
    const states = await store.migrationStatus();
    const pending = states.filter((m) => !isApplied(m));
    const newer = versionOf(states) > newestOf(states);
    return {
      data: {
        ...schemaOf(store, states),
        pending: pending.map((m) => m.name),
        migrations: states.map(({ appliedAtMs, ...rest }) => ({
          ...rest,
          appliedAt: appliedAtMs === undefined ? null : isoTime(appliedAtMs),
        })),
      },
      text: [
        facts([
          ['Engine', store.engine],
          ['Schema version', versionOf(states) === 0 ? 'none yet' : versionOf(states)],
          ['Newest known here', newestOf(states)],
        ]),
        '',
        table(
          [{ title: 'Migration' }, { title: 'Applied (UTC)', whole: true }],
          states.map((m) => [m.name, isApplied(m) ? when(m.appliedAtMs) : 'pending']),
        ),
        ...(pending.length > 0
          ? ['', `${formatNumberOf(pending.length, 'migration')} pending: fleetscore db migrate`]
          : []),
        ...(newer ? ['', 'A newer fleetscore made it; this one still works with it.'] : []),
      ].join('\n'),
      ...(pending.length > 0 ? { exitCode: EXIT_FAILED } : {}),
    };
  } finally {
    await store.close();
  }
}

const isApplied = (m: MigrationState): boolean => m.appliedAtMs !== undefined;
/** 0 before the first migration. */
const versionOf = (states: readonly MigrationState[]): number =>
  Math.max(0, ...states.filter(isApplied).map((m) => m.version));
const newestOf = (states: readonly MigrationState[]): number =>
  Math.max(0, ...states.filter((m) => m.available).map((m) => m.version));

function schemaOf(store: Store, states: readonly MigrationState[]): { engine: string; version: number; known: number } {
  return { engine: store.engine, version: versionOf(states), known: newestOf(states) };
}
