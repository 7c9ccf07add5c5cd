/** `fleetscore send FILE.csv`: readings from a file through Event Hubs, as a device would send them. */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { EventHubProducerClient } from '@azure/event-hubs';
import { stat } from 'node:fs/promises';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { defined } from '../../domain/defined.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { formatCount, formatMs, formatNumberOf } from '../../report/format.ts';
import { sendCsv, sourceName, waitIngested, type BadRow } from '../../ingest/send.ts';
import { openProducer } from '../../connect/event-hubs.ts';
import { action, asDuration, asNumber, EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { interruption } from '../frame/interrupt.ts';
import { becameOf } from './became.ts';
import { startBar } from '../batch/progress.ts';
import { newSendId } from '../../domain/send-tally.ts';
import { parseDuration, TIME_UNITS, type TimeUnit } from '../../domain/time.ts';
import type { Decimal } from '../../ingest/csv/values.ts';

interface SendOptions {
  readonly encoding?: string;
  readonly separator?: string;
  readonly decimal?: Decimal;
  readonly timeUnit?: TimeUnit;
  readonly rate?: number;
  readonly wait?: boolean;
  readonly waitTimeout: string;
}

/** Bad rows told one by one; all are counted. */
const SHOWN = 10;

export function registerSend(program: Command): void {
  program
    .command('send')
    .description('send readings from a CSV file (TS,Device,Sensor,Value) through Event Hubs')
    .argument('<file>', 'CSV file; times without a zone are UTC')
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
    .action(action<[string], SendOptions>(send));
}

/** One character, or the word tab. */
function asSeparator(text: string): string {
  const separator = /^(tab|\\t)$/i.test(text) ? '\t' : text;
  if ([...separator].length === 1 && !/["\r\n\w]/.test(separator)) return separator;
  throw new InvalidArgumentError("It takes one character such as ';', or tab.");
}

async function send(context: Context, options: SendOptions, file: string): Promise<Output> {
  const size = await sizeOf(file);
  const signal = interruption();
  const producer = openProducer(context.config);
  const started = Date.now();
  const bar = context.json ? undefined : startBar('sending', 'readings');
  const bad: BadRow[] = [];
  try {
    const store = options.wait ? await context.store() : undefined;
    const sendId = newSendId(started, randomBytes(10).toString('hex'));
    await store?.openSend(sendId);
    const stream = createReadStream(file);
    const result = await sendCsv(stream, {
      producer,
      signal,
      ...(store ? { sendId } : {}),
      format: defined({
        encoding: options.encoding,
        separator: options.separator,
        decimal: options.decimal,
        timeUnit: options.timeUnit,
      }),
      ...defined({ timeUnit: context.config.ingest.timeUnit, rate: options.rate }),
      onBadRow: (row) => void (bad.length < 1_000 && bad.push(row)),
      // The file's own share read tells how many rows will come.
      onProgress: ({ sent }) =>
        bar?.set(sent, Math.max(sent, Math.round((sent * size) / Math.max(stream.bytesRead, 1)))),
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
  /** The first of the bad ones. */
  readonly badRows: readonly BadRow[];
  readonly events: number;
  readonly sentMs: number;
}

function told(
  { sent, whole, bad, badRows, events, sentMs }: Sent,
  became: ReturnType<typeof becameOf> | undefined,
): Output {
  const data = { sent, whole, bad, events, badRows, seconds: sentMs / 1000 };
  return {
    data: { ...data, ingested: became?.all ?? false, became: became?.data ?? null },
    text: [
      `${formatNumberOf(sent, 'reading')} sent in ${formatMs(sentMs)} (${formatNumberOf(events, 'event')})${became?.short ?? ''}.`,
      ...(became?.lines ?? []),
      ...(whole
        ? []
        : ['That is not the whole file. Send it again for the rest: readings that are sent twice count once.']),
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
    ...bad.slice(0, SHOWN).map((row) => `  line ${row.line}: ${row.reason}`),
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
