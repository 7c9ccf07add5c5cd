/** `fleetscore logs`: lines of the workers, from Blob: those of a batch, of a sensor, of a worker. */
import { setTimeout as sleep } from 'node:timers/promises';
import pc from 'picocolors';
import { defined } from '../../domain/defined.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { HOUR_MS, isoTime } from '../../domain/time.ts';
import { LEVELS } from '../../logging/levels.ts';
import { openLogs, type LogFilter, type LogLine } from '../../logging/read.ts';
import type { Batch } from '../../storage/store.ts';
import { formatCount } from '../../report/format.ts';
import { harmless } from '../../report/text-width.ts';
import { logContainer } from '../../connect/blob-storage.ts';
import { passes, statusOf } from '../../storage/blob-errors.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { knownBatch, knownSensor, type SensorWords } from '../frame/known.ts';
import { timeAgo } from '../frame/period.ts';
import { untilInterrupted } from '../frame/interrupt.ts';
import { say, sayJsonLine, tell } from '../frame/terminal.ts';

const NAMES = new Map(Object.entries(LEVELS).map(([name, level]) => [level, name]));

/** Looked at when no time is given. */
const DEFAULT_MS = HOUR_MS;
/** The same for one sensor: its lines are few. */
const SENSOR_MS = 24 * HOUR_MS;
/** Around a batch: waiting for its readings, and what was written late. */
const AROUND_BATCH_MS = 10 * 60_000;
/** Between two looks of --follow; lines arrive a few seconds after they were written. */
const FOLLOW_MS = 2_000;

interface LogsOptions {
  readonly batch?: string;
  readonly sensor?: readonly string[];
  readonly worker?: string;
  readonly since?: string;
  readonly to?: number;
  readonly level?: string;
  readonly limit: number;
  readonly follow?: boolean;
}

export async function logs(context: Context, options: LogsOptions): Promise<Output | undefined> {
  const filter = await filterOf(context, options);
  const reader = openLogs(logContainer(context.config));
  const lines: LogLine[] = [];
  let found = 0;
  const keep = (line: LogLine): void => {
    found += 1;
    lines.push(line);
    // Sorting now and then keeps memory at a few times the limit.
    if (lines.length >= options.limit * 2 + 1_000) newest(lines, options.limit);
  };
  await readLogs(context, () => reader.read(filter, keep));
  newest(lines, options.limit);
  if (options.follow) return follow(context, filter, reader, lines);
  const left = found - lines.length;
  return {
    data: lines.map(data),
    text:
      lines.length === 0
        ? `No lines since ${isoTime(filter.fromMs)}. --since looks further back; lines arrive a few seconds after they were written.`
        : [
            ...(left > 0 ? [pc.dim(`${formatCount(left)} older lines are left out: --limit shows more.`)] : []),
            ...lines.map(text),
          ].join('\n'),
  };
}

async function follow(
  context: Context,
  filter: LogFilter,
  reader: ReturnType<typeof openLogs>,
  first: readonly LogLine[],
): Promise<undefined> {
  const interrupted = untilInterrupted();
  let stop = false;
  let away = false;
  void interrupted.then(() => (stop = true));
  const show = (line: LogLine): void => (context.json ? sayJsonLine(data(line)) : say(text(line)));
  first.forEach(show);
  while (!stop) {
    await Promise.race([sleep(FOLLOW_MS), interrupted]);
    const added: LogLine[] = [];
    try {
      await readLogs(context, () =>
        reader.read(
          { ...filter, fromMs: Math.max(filter.fromMs, Date.now() - HOUR_MS) },
          (line) => void added.push(line),
        ),
      );
      away = false;
    } catch (error) {
      // Whoever follows goes on following: what was missed comes with the next look.
      if (!(error instanceof FleetscoreError && error.code === 'LOGS_UNAVAILABLE')) throw error;
      if (!away) tell(messageOf(error));
      away = true;
    }
    added.sort((a, b) => a.atMs - b.atMs).forEach(show);
  }
  return undefined;
}

/** In order of time, no more than `limit`. */
function newest(lines: LogLine[], limit: number): void {
  lines.sort((a, b) => a.atMs - b.atMs);
  lines.splice(0, Math.max(0, lines.length - limit));
}

async function filterOf(context: Context, options: LogsOptions): Promise<LogFilter> {
  const { batch: id, worker, level } = options;
  const batch = id === undefined ? undefined : await knownBatch(context, id);
  const sensor = options.sensor && (await knownSensor(context, namesIn(options.sensor)));
  const toMs = options.to ?? (batch?.finishedAtMs === undefined ? undefined : batch.finishedAtMs + AROUND_BATCH_MS);
  return {
    fromMs: beginOf(options.since, batch, sensor !== undefined),
    ...defined({ toMs, batch: id, worker, sensor, minLevel: level === undefined ? undefined : LEVELS[level]! }),
  };
}

/** A sensor in one word, `device/sensor`, or in two. */
function namesIn(words: readonly string[]): SensorWords {
  const [first = '', second, ...more] = words;
  if (more.length === 0) return [first, second];
  throw new FleetscoreError(
    'INVALID_ARGUMENT',
    `--sensor takes one sensor, such as press-7/oil-temp; got ${words.length} words: ${JSON.stringify(words)}.`,
  );
}

/** Without `--since`: from shortly before the batch, or a while back. Epoch ms. */
function beginOf(since: string | undefined, batch: Batch | undefined, ofSensor: boolean): number {
  const now = Date.now();
  if (since !== undefined) return timeAgo(since, '--since', now);
  if (batch) return batch.startedAtMs - AROUND_BATCH_MS;
  return now - (ofSensor ? SENSOR_MS : DEFAULT_MS);
}

/** @throws FleetscoreError `LOGS_UNAVAILABLE` */
async function readLogs<T>(context: Context, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { status, code } = statusOf(error);
    if (status === undefined && !passes(error)) throw error;
    throw new FleetscoreError(
      'LOGS_UNAVAILABLE',
      `the logs in Blob cannot be read (${status === undefined ? messageOf(error) : (code ?? status)}). Check that Blob storage answers (\`fleetscore doctor\`); on a laptop the same lines are in ${context.config.home}/logs.`,
      { retryable: true, cause: error },
    );
  }
}

const data = ({ atMs, level, worker, message, fields }: LogLine): object => ({
  time: isoTime(atMs),
  level: NAMES.get(level) ?? level,
  worker,
  message,
  fields,
});

/** Known from the columns of a line. */
const SHOWN: ReadonlySet<string> = new Set(['level', 'time', 'msg', 'pid', 'role']);

function text({ atMs, level, worker, message, fields }: LogLine): string {
  const name = NAMES.get(level) ?? String(level);
  const rest = Object.entries(fields)
    .filter(([key, value]) => !SHOWN.has(key) && value !== undefined && value !== '')
    .map(([key, value]) => `${pc.dim(`${key}=`)}${harmless(valueText(value))}`);
  return [isoTime(atMs), paintOf(level)(name.padEnd(5)), pc.cyan(worker), harmless(message), ...rest].join(' ');
}

function paintOf(level: number): (text: string) => string {
  if (level >= 50) return pc.red;
  return level >= 40 ? pc.yellow : pc.dim;
}

/** As it is where it is one word, else as JSON. */
const valueText = (value: unknown): string =>
  typeof value === 'string' && !/[\s"]/.test(value) ? value : JSON.stringify(value);
