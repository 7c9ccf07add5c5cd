/** `fleetscore send FILE... | -`: readings from files or standard input through Event Hubs, as a device would send them. */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import type { EventHubProducerClient } from '@azure/event-hubs';
import { stat } from 'node:fs/promises';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { defined } from '../../domain/defined.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { formatCount, formatMs, formatNumberOf } from '../../report/format.ts';
import { sendCsv, sourceName, waitIngested, type BadRow, type NamedInput } from '../../ingest/send.ts';
import { openProducer } from '../../connect/event-hubs.ts';
import { action, asDuration, asNumber, EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { interruption } from '../frame/interrupt.ts';
import { becameOf } from './became.ts';
import { startBar } from '../batch/progress.ts';
import { newSendId } from '../../domain/send-tally.ts';
import { parseDuration, TIME_UNITS, type TimeUnit } from '../../domain/time.ts';
import type { Column, Layout } from '../../ingest/csv/rows.ts';
import type { Decimal } from '../../ingest/csv/values.ts';

interface SendOptions {
  readonly columns?: NonNullable<Layout['columns']>;
  readonly wide?: boolean;
  readonly device?: string;
  readonly encoding?: string;
  readonly separator?: string;
  readonly decimal?: Decimal;
  readonly timeUnit?: TimeUnit;
  readonly rate?: number;
  readonly wait?: boolean;
  readonly waitTimeout: string;
}

const STDIN = '-';

/** Bad rows told one by one; all are counted. */
const SHOWN = 10;

export function registerSend(program: Command): void {
  program
    .command('send')
    .description('send readings from CSV (TS,Device,Sensor,Value, or a column for each sensor) through Event Hubs')
    .argument(
      '<file...>',
      'CSV files, also with gzip, merged by time; - is standard input; times without a zone are UTC',
    )
    .addOption(
      new Option(
        '--columns <names>',
        'which columns they are, where they have other names: ts=timestamp,device=unit,sensor=tag,value=reading',
      ).argParser(asColumns),
    )
    .option('--wide', 'a column for each sensor: all columns but those of the time and the device')
    .option('--device <name>', 'the device of all rows, where no column names it')
    .option('--encoding <name>', 'how the file is encoded, such as windows-1252 or utf-16le (default: utf-8)')
    .addOption(
      new Option('--separator <char>', "what stands between fields: ';', tab, '|' (default: a comma)").argParser(
        asSeparator,
      ),
    )
    .addOption(new Option('--decimal <char>', 'what stands before decimals (default: a point)').choices(['.', ',']))
    .addOption(
      new Option(
        '--time-unit <unit>',
        'what times that are numbers count since 1970 (default: ten digits are seconds, thirteen milliseconds)',
      ).choices(TIME_UNITS),
    )
    .addOption(new Option('--rate <n>', 'readings a second (default: full speed)').argParser(asNumber(0.001, 1e9)))
    .option('--wait', 'wait until all is ingested, and tell what became of it; fails when a reading was not taken')
    .addOption(
      new Option('--wait-timeout <duration>', 'give up when ingestion stands still for this long')
        .default('60s')
        .argParser(asDuration),
    )
    .action(action<[string[]], SendOptions>(send));
}

/** One character, or the word tab. */
function asSeparator(text: string): string {
  const separator = /^(tab|\\t)$/i.test(text) ? '\t' : text;
  if ([...separator].length === 1 && !/["\r\n\w]/.test(separator)) return separator;
  throw new InvalidArgumentError("It takes one character such as ';', or tab.");
}

/** `ts=timestamp,device=unit` */
function asColumns(text: string): NonNullable<Layout['columns']> {
  const pairs = text.split(',').map((pair) => {
    const [, column = '', name = ''] = /^\s*(ts|device|sensor|value)=(.+?)\s*$/i.exec(pair) ?? [];
    if (name === '')
      throw new InvalidArgumentError('It takes ts=NAME, device=NAME, sensor=NAME and value=NAME, separated by commas.');
    return [column.toLowerCase() as Column, name] as const;
  });
  return Object.fromEntries(pairs);
}

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
  const streams = files.map((name) => (name === STDIN ? undefined : createReadStream(name)));
  return {
    inputs: files.map((name, i) => ({ name, stream: streams[i] ?? (process.stdin as Readable) })),
    share: () =>
      files.includes(STDIN)
        ? 1
        : streams.reduce((sum, stream) => sum + (stream?.bytesRead ?? 0), 0) / Math.max(size, 1),
  };
}

async function send(context: Context, options: SendOptions, files: string[]): Promise<Output> {
  const { inputs, share } = await openFiles(files);
  const signal = interruption();
  const producer = openProducer(context.config);
  const started = Date.now();
  const bar = context.json ? undefined : startBar('sending', 'readings');
  const bad: BadRow[] = [];
  try {
    const store = options.wait ? await context.store() : undefined;
    const sendId = newSendId(started, randomBytes(10).toString('hex'));
    await store?.openSend(sendId);
    const result = await sendCsv(inputs, {
      producer,
      signal,
      ...(store ? { sendId } : {}),
      format: defined({
        columns: options.columns,
        wide: options.wide,
        device: options.device,
        encoding: options.encoding,
        separator: options.separator,
        decimal: options.decimal,
        timeUnit: options.timeUnit,
      }),
      ...defined({ timeUnit: context.config.ingest.timeUnit, rate: options.rate }),
      onBadRow: (row) => void (bad.length < 1_000 && bad.push(row)),
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
    const failed = result.bad > 0 || signal.aborted || became?.all === false;
    return {
      ...told({ ...result, whole, badRows: bad, sentMs }, became),
      ...(failed ? { exitCode: EXIT_FAILED } : {}),
    };
  } finally {
    await producer.close();
  }
}

interface Sent {
  readonly sent: number;
  /** False when it was interrupted. */
  readonly whole: boolean;
  readonly bad: number;
  /** Cells without a value. */
  readonly missing: number;
  /** The first of the bad ones. */
  readonly badRows: readonly BadRow[];
  readonly events: number;
  readonly sentMs: number;
}

function told(
  { sent, whole, bad, missing, badRows, events, sentMs }: Sent,
  became: ReturnType<typeof becameOf> | undefined,
): Output {
  const data = { sent, whole, bad, missing, events, badRows, seconds: sentMs / 1000 };
  return {
    data: { ...data, ingested: became?.all ?? false, became: became?.data ?? null },
    text: [
      `${formatNumberOf(sent, 'reading')} sent in ${formatMs(sentMs)} (${formatNumberOf(events, 'event')})${became?.short ?? ''}.`,
      ...(became?.lines ?? []),
      ...(whole
        ? []
        : ['That is not the whole file. Send it again for the rest: readings that are sent twice count once.']),
      ...(missing > 0 ? [`${formatNumberOf(missing, 'cell')} without a value left out.`] : []),
      ...badLines(bad, badRows),
    ].join('\n'),
  };
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch(({ code, message }: NodeJS.ErrnoException) => {
    throw new FleetscoreError(
      'FILE_UNREADABLE',
      `${file} cannot be read: ${code === 'ENOENT' ? 'there is no such file' : message}.`,
    );
  });
  if (found.isDirectory())
    throw new FleetscoreError('FILE_UNREADABLE', `${file} is a folder. Name one CSV file; send them one by one.`);
  return found.size;
}

/** @param bad the first of `count` */
function badLines(count: number, bad: readonly BadRow[]): string[] {
  if (count === 0) return [];
  return [
    `${formatNumberOf(count, 'bad row')} left out:`,
    ...bad
      .slice(0, SHOWN)
      .map((row) => `  ${row.file === undefined ? '' : `${row.file}, `}line ${row.line}: ${row.reason}`),
    ...(count > SHOWN ? [`  and ${formatCount(count - SHOWN)} more; --json lists up to 1,000`] : []),
  ];
}

/** What the ingest workers of this configuration call the hub that `producer` sends to. */
export function ingestSource(context: Context, producer: EventHubProducerClient): string {
  return sourceName(
    { namespace: producer.fullyQualifiedNamespace, hub: producer.eventHubName },
    context.config.eventHubs.consumerGroup,
  );
}
