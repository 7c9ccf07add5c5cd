/**
 * `fleetscore send FILE... | -`: readings from files or standard input through Event Hubs, as a device would send them.
 */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import type { EventHubProducerClient } from '@azure/event-hubs';
import { stat } from 'node:fs/promises';
import { defined } from '../../domain/defined.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { formatCount, formatMs, formatNumberOf } from '../../report/format.ts';
import { sendCsv, sourceName, waitIngested, type BadRow, type NamedInput } from '../../ingest/send.ts';
import { openProducer } from '../../connect/event-hubs.ts';
import { EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { interruption } from '../frame/interrupt.ts';
import { becameOf } from './became.ts';
import { startBar } from '../batch/progress.ts';
import { newSendId } from '../../domain/send-tally.ts';
import { parseDuration, type TimeUnit } from '../../domain/time.ts';
import type { Layout } from '../../ingest/csv/rows.ts';
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

export async function send(context: Context, options: SendOptions, files: string[]): Promise<Output> {
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
      ...outputOf({ ...result, whole, badRows: bad, sentMs }, became),
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

function outputOf(
  { sent, whole, bad, missing, badRows, events, sentMs }: Sent,
  became: ReturnType<typeof becameOf> | undefined,
): Output {
  const data = { sent, whole, bad, missing, events, badRows, seconds: sentMs / 1000 };
  return {
    data: { ...data, ingested: became?.all ?? false, became: became?.data ?? null },
    text: [
      `${formatNumberOf(sent, 'reading')} sent in ${formatMs(sentMs)} ` +
        `(${formatNumberOf(events, 'event')})${became?.short ?? ''}.`,
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
