/** `fleetscore db ...`: the schema of the SQL store. */
import { Option, type Command } from 'commander';
import { FleetscoreError } from '../../domain/errors.ts';
import { isoTime, parseDuration } from '../../domain/time.ts';
import { formatNumberOf } from '../../report/format.ts';
import { openStore } from '../../storage/open-store.ts';
import { cutOf } from '../../storage/retention.ts';
import type { MigrationState, Store } from '../../storage/store.ts';
import { action, asDuration, EXIT_FAILED, type Output } from '../frame/command.ts';
import { notice, type Context } from '../frame/context.ts';
import { facts, table, when } from '../frame/text.ts';

export function registerDb(program: Command): void {
  const db = program.command('db').description('the SQL store: its schema, and what is old');
  db.command('migrate')
    .description('bring the schema to this version of fleetscore; safe to run twice, and from several processes')
    .action(action<[], object>(migrate));
  db.command('status')
    .description('engine, schema version and pending migrations; exit code 1 when there are any')
    .action(action<[], object>(status));
  db.command('prune')
    .description('delete old windows and batches from SQL; raw events and predictions in Blob stay')
    .addOption(
      new Option(
        '--windows <age>',
        'windows older than this, by event time (default: FLEETSCORE_KEEP_WINDOWS)',
      ).argParser(asDuration),
    )
    .addOption(
      new Option('--batches <age>', 'batches that ended longer ago (default: FLEETSCORE_KEEP_BATCHES)').argParser(
        asDuration,
      ),
    )
    .action(action<[], PruneOptions>(prune));
}

interface PruneOptions {
  readonly windows?: string;
  readonly batches?: string;
}

async function prune(context: Context, options: PruneOptions): Promise<Output> {
  const { keep } = context.config;
  const cut = cutOf(
    {
      ...keep,
      ...(options.windows === undefined ? {} : { windowsMs: parseDuration(options.windows) }),
      ...(options.batches === undefined ? {} : { batchesMs: parseDuration(options.batches) }),
    },
    Date.now(),
  );
  if (!cut)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      'nothing says what is too old. Give --windows or --batches, or set FLEETSCORE_KEEP_WINDOWS or FLEETSCORE_KEEP_BATCHES.',
    );
  const gone = await (await context.store()).prune(cut);
  return {
    data: gone,
    text: `${formatNumberOf(gone.windows, 'window')}, ${formatNumberOf(gone.batches, 'batch', 'batches')} and ${formatNumberOf(gone.outcomes, 'outcome')} deleted.`,
  };
}

async function migrate(context: Context): Promise<Output> {
  const store = await openStore(context.config.sqlUrl, { onWait: notice(context) });
  try {
    const applied = await store.migrate();
    const states = await store.migrationStatus();
    return {
      data: { ...schemaOf(store, states), applied },
      text:
        applied.length === 0
          ? `Nothing to do: the schema of the ${store.engine} store is at version ${versionOf(states)}.`
          : `${formatNumberOf(applied.length, 'migration')} applied (${applied.join(', ')}): the schema of the ${store.engine} store is at version ${versionOf(states)}.`,
    };
  } finally {
    await store.close();
  }
}

async function status(context: Context): Promise<Output> {
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
          [{ title: 'Migration' }, { title: 'Applied (UTC)' }],
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
