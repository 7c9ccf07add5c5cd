/** `fleetscore send FILE.csv`: readings from a file through Event Hubs, as a device would send them. */
import { createReadStream } from 'node:fs';
import type { EventHubProducerClient } from '@azure/event-hubs';
import { stat } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { FleetscoreError } from '../../domain/errors.ts';
import { formatCount, formatMs, formatNumberOf } from '../../report/format.ts';
import { sendCsv, sourceName, waitIngested, type BadRow } from '../../ingest/send.ts';
import { openProducer } from '../../connect/event-hubs.ts';
import { action, asDuration, asNumber, EXIT_FAILED, type Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { interruption } from '../frame/interrupt.ts';
import { startBar } from '../batch/progress.ts';
import { parseDuration } from '../../domain/time.ts';

interface SendOptions {
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
    .addOption(new Option('--rate <n>', 'readings a second (default: full speed)').argParser(asNumber(0.001, 1e9)))
    .option('--wait', 'wait until all is ingested')
    .addOption(
      new Option('--wait-timeout <duration>', 'give up when ingestion stands still for this long')
        .default('60s')
        .argParser(asDuration),
    )
    .action(action<[string], SendOptions>(send));
}

async function send(context: Context, options: SendOptions, file: string): Promise<Output> {
  const size = await stat(file).then(
    (s) => s.size,
    (error: NodeJS.ErrnoException) => {
      throw new FleetscoreError(
        'FILE_UNREADABLE',
        `${file} cannot be read: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}.`,
        { cause: error },
      );
    },
  );
  const signal = interruption();
  const producer = openProducer(context.config);
  const started = Date.now();
  const bar = context.json ? undefined : startBar('sending', 'readings');
  const bad: BadRow[] = [];
  try {
    const stream = createReadStream(file);
    const result = await sendCsv(stream, {
      producer,
      signal,
      ...(options.rate === undefined ? {} : { rate: options.rate }),
      onBadRow: (row) => void (bad.length < 1_000 && bad.push(row)),
      // The file's own share read tells how many rows will come.
      onProgress: ({ sent }) =>
        bar?.set(sent, Math.max(sent, Math.round((sent * size) / Math.max(stream.bytesRead, 1)))),
    });
    const whole = !signal.aborted;
    if (whole) bar?.set(result.sent, result.sent);
    bar?.end();
    const sentMs = Date.now() - started;
    if (options.wait)
      await waitIngested({
        store: await context.store(),
        source: ingestSource(context, producer),
        lastSequenceNumbers: result.lastSequenceNumbers,
        stallMs: parseDuration(options.waitTimeout),
        signal,
      });
    const ingested = (options.wait ?? false) && !signal.aborted;
    return {
      data: {
        sent: result.sent,
        whole,
        bad: result.bad,
        events: result.events,
        badRows: bad,
        seconds: sentMs / 1000,
        ingested,
      },
      text: [
        `${formatNumberOf(result.sent, 'reading')} sent in ${formatMs(sentMs)} (${formatNumberOf(result.events, 'event')})${ingested ? ', all ingested' : ''}.`,
        ...(whole
          ? []
          : ['That is not the whole file. Send it again for the rest: readings that are sent twice count once.']),
        ...(result.bad > 0 ? [`${formatNumberOf(result.bad, 'bad row')} left out:`] : []),
        ...bad.slice(0, SHOWN).map((row) => `  line ${row.line}: ${row.reason}`),
        ...(result.bad > SHOWN ? [`  and ${formatCount(result.bad - SHOWN)} more; --json lists up to 1,000`] : []),
      ].join('\n'),
      ...(result.bad > 0 || signal.aborted ? { exitCode: EXIT_FAILED } : {}),
    };
  } finally {
    await producer.close();
  }
}

/** What the ingest workers of this configuration call the hub that `producer` sends to. */
export function ingestSource(context: Context, producer: EventHubProducerClient): string {
  return sourceName(
    { namespace: producer.fullyQualifiedNamespace, hub: producer.eventHubName },
    context.config.eventHubs.consumerGroup,
  );
}
