/**
 * `fleetscore send FILE... | -`: readings from files or standard input through Event Hubs, as a device would send them.
 */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { EventHubProducerClient } from '@azure/event-hubs';
import { stat } from 'node:fs/promises';
import { defined } from '../../domain/defined.ts';
import { whyUnreadable } from '../../domain/unreadable.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { formatMs, formatNumberOf } from '../../report/format.ts';
import {
  readFiles,
  sendReadings,
  sourceName,
  waitIngested,
  watchReadings,
  type BadRow,
  type CsvFormat,
  type FileCounts,
  type NamedInput,
  type ReadingFacts,
  type SendResult,
} from '../../ingest/send.ts';
import { patternIn } from '../../ingest/files-in-folder.ts';
import { INGEST_DEFAULTS } from '../../ingest/settings.ts';
import { ingestSettings } from '../../connect/ingest-settings.ts';
import { openProducer } from '../../connect/event-hubs.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { interruption } from '../frame/interrupt.ts';
import { tell } from '../frame/terminal.ts';
import { becameOf } from './became.ts';
import { factLines, leftLines, sensorTable } from './sent-text.ts';
import { startBar } from '../batch/progress.ts';
import { newSendId } from '../../domain/send-tally.ts';
import { parseDuration } from '../../domain/time.ts';
import { createTimeReader } from '../../ingest/table/times.ts';

export interface SendOptions extends Omit<CsvFormat, 'startMs'> {
  readonly start?: string;
  readonly guess?: boolean;
  readonly dryRun?: boolean;
  readonly rate?: number;
  readonly wait?: boolean;
  readonly waitTimeout: string;
}

const STDIN = '-';

/** Bad rows that are kept to be told; all are counted. */
const KEPT = 1_000;

interface Opened {
  readonly inputs: readonly NamedInput[];
  /** The share of all bytes that was read; 1 where there is standard input, whose size nobody knows. */
  share(): number;
}

async function openFiles(files: readonly string[]): Promise<Opened> {
  if (files.filter((file) => file === STDIN).length > 1)
    throw new FleetscoreError('INVALID_ARGUMENT', 'standard input (-) can be sent once only.');
  const sizes = await Promise.all(files.filter((file) => file !== STDIN).map(sizeOf));
  const size = sizes.reduce((sum, one) => sum + one, 0);
  // A file that cannot be opened is told by whoever reads it; until then somebody has to listen, or the process ends.
  const streams = files.map((name) =>
    name === STDIN ? undefined : createReadStream(name).on('error', () => undefined),
  );
  return {
    inputs: files.map((name, i) => {
      const stream = streams[i];
      return stream ? { name, stream, path: name } : { name, stream: process.stdin };
    }),
    share: () =>
      files.includes(STDIN)
        ? 1
        : // A file that is read from its end is read elsewhere: its stream is closed at once.
          streams.reduce((sum, stream, i) => sum + (stream?.closed ? sizes[i]! : (stream?.bytesRead ?? 0)), 0) /
          Math.max(size, 1),
  };
}

/** What is said of the files. @throws FleetscoreError `INVALID_TIME`, `INVALID_ZONE` */
export function formatOf(options: SendOptions): CsvFormat {
  const { start, timezone } = options;
  if (start === undefined) return formatFields(options);
  const startMs = createTimeReader(defined({ timezone })).read(start);
  if (typeof startMs === 'number') return { ...formatFields(options), startMs };
  throw new FleetscoreError('INVALID_TIME', `--start ${JSON.stringify(start)}: ${startMs.replace(/^TS/, 'the time')}.`);
}

/** The options of the command without those of the program. */
const formatFields = (of: CsvFormat): CsvFormat =>
  defined({
    columns: of.columns,
    wide: of.wide,
    device: of.device,
    sensor: of.sensor,
    include: of.include,
    exclude: of.exclude,
    missing: of.missing,
    good: of.good,
    encoding: of.encoding,
    separator: of.separator,
    decimal: of.decimal,
    header: of.header,
    skipLines: of.skipLines,
    rowNumbers: of.rowNumbers,
    timeUnit: of.timeUnit,
    timeFormat: of.timeFormat,
    timezone: of.timezone,
  });

/** The readings of the files, and what becomes known of them while they are read. */
async function openReadings(context: Context, options: SendOptions, files: readonly string[]) {
  const format = formatOf(options);
  // What was said wrong is told before a file is opened.
  createTimeReader(format);
  const { inputs, share } = await openFiles(files);
  const badRows: BadRow[] = [];
  const { readings, counts } = readFiles(inputs, {
    format,
    events: { ...INGEST_DEFAULTS, ...ingestSettings(context.config) },
    ...defined({ guess: options.guess }),
    onBadRow: (row) => void (badRows.length < KEPT && badRows.push(row)),
    onGuess: ({ command }) => tell(`Read as: ${command}`),
  });
  return { ...watchReadings(readings, context.config.ingest), counts, badRows, share };
}

export async function send(context: Context, options: SendOptions, files: string[]): Promise<Output> {
  const source = await openReadings(context, options, files);
  if (options.dryRun) return dryRun(context, source);
  const { readings, facts, counts, badRows, share } = source;
  const signal = interruption();
  const producer = openProducer(context.config);
  const started = Date.now();
  const bar = context.json ? undefined : startBar('sending', 'readings');
  try {
    const store = options.wait ? await context.store() : undefined;
    const sendId = newSendId(started, randomBytes(10).toString('hex'));
    await store?.openSend(sendId);
    const result = await sendReadings(readings, {
      producer,
      signal,
      ...(store ? { sendId } : {}),
      ...defined({ timeUnit: context.config.ingest.timeUnit, rate: options.rate }),
      // The share that was read tells how many rows will come.
      onProgress: ({ sent }) => bar?.set(sent, Math.max(sent, Math.round(sent / Math.max(share(), 1e-9)))),
    });
    const whole = !signal.aborted;
    if (whole) bar?.set(result.sent, result.sent);
    bar?.end();
    const sentMs = Date.now() - started;
    if (store)
      await waitIngested({
        store,
        source: ingestSource(context, producer),
        lastSequenceNumbers: result.lastSequenceNumbers,
        stallMs: parseDuration(options.waitTimeout),
        signal,
      });
    const became = store && !signal.aborted ? becameOf(result, await store.readSend(sendId)) : undefined;
    await store?.closeSend(sendId);
    const failed = counts().bad > 0 || signal.aborted || became?.all === false;
    return {
      ...outputOf(context, { ...result, ...counts(), facts: facts(), whole, badRows, sentMs }, became),
      ...(failed ? { exitCode: EXIT_FAILED } : {}),
    };
  } finally {
    bar?.end();
    await producer.close();
  }
}

type Source = Awaited<ReturnType<typeof openReadings>>;

async function dryRun(context: Context, { readings, facts, counts, badRows }: Source): Promise<Output> {
  const all = readings[Symbol.asyncIterator]();
  while ((await all.next()).done !== true);
  const found = facts();
  return {
    data: { ...found, ...counts(), badRows },
    text: [
      `${formatNumberOf(found.readings, 'reading')} would be sent; nothing was sent.`,
      ...(found.sensors.length > 0 ? ['', sensorTable(found), ''] : []),
      ...factLines(found, windowSettings(context)),
      ...leftLines(counts(), badRows),
    ].join('\n'),
    ...(counts().bad > 0 ? { exitCode: EXIT_FAILED } : {}),
  };
}

const windowSettings = ({ config: { ingest } }: Context) =>
  defined({ windowMs: ingest.windowMs, outOfOrderMs: ingest.outOfOrderMs, lateLimitMs: ingest.lateLimitMs });

interface Sent extends SendResult, FileCounts {
  /** False when it was interrupted. */
  readonly whole: boolean;
  readonly facts: ReadingFacts;
  /** The first of the bad ones. */
  readonly badRows: readonly BadRow[];
  readonly sentMs: number;
}

function outputOf(
  context: Context,
  { sent, events, whole, facts, badRows, sentMs, bad, missing, notGood, ambiguous }: Sent,
  became: ReturnType<typeof becameOf> | undefined,
): Output {
  const { sensors, everyMs = null, late } = facts;
  return {
    data: {
      sent,
      whole,
      bad,
      missing,
      notGood,
      ambiguous,
      events,
      badRows,
      seconds: sentMs / 1000,
      sensors: sensors.length,
      everyMs,
      behind: late,
      ingested: became?.all ?? false,
      became: became?.data ?? null,
    },
    text: [
      `${formatNumberOf(sent, 'reading')} sent in ${formatMs(sentMs)} ` +
        `(${formatNumberOf(events, 'event')})${became?.short ?? ''}.`,
      ...(became?.lines ?? []),
      ...(whole
        ? []
        : ['That is not the whole file. Send it again for the rest: readings that are sent twice count once.']),
      ...factLines(facts, windowSettings(context), became?.late),
      ...leftLines({ bad, missing, notGood, ambiguous }, badRows),
    ].join('\n'),
  };
}

/** @throws FleetscoreError `FILE_UNREADABLE` */
export async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch((error: unknown) => {
    throw new FleetscoreError('FILE_UNREADABLE', `${file} cannot be read: ${whyUnreadable(error)}.`);
  });
  if (found.isDirectory())
    throw new FleetscoreError(
      'FILE_UNREADABLE',
      `${file} is a folder. Name the files in it, for example ${await patternIn(file)}.`,
    );
  return found.size;
}

/** What the ingest workers of this configuration call the hub that `producer` sends to. */
export function ingestSource(context: Context, producer: EventHubProducerClient): string {
  return sourceName(
    { namespace: producer.fullyQualifiedNamespace, hub: producer.eventHubName },
    context.config.eventHubs.consumerGroup,
  );
}
