/**
 * Finds lines in the logs of the workers. Blobs are read in pieces, line by line, from where the last look ended:
 * only what is asked for stays in memory.
 */
import type { ContainerClient } from '@azure/storage-blob';
import type { SensorKey } from '../domain/sensor.ts';
import { DAY_MS, isoTime } from '../domain/time.ts';
import { isReplaced, pieces } from '../storage/blob-download.ts';

export interface LogLine {
  readonly atMs: number;
  /** Number of pino: 30 info, 40 warn, 50 error, 60 fatal. */
  readonly level: number;
  /** Name of the worker's log. */
  readonly worker: string;
  readonly message: string;
  /** All of the line. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface LogFilter {
  readonly fromMs: number;
  readonly toMs?: number;
  readonly batch?: string;
  /** Lines that name the sensor, and those of chunks that hold it. */
  readonly sensor?: SensorKey & { readonly id?: number };
  /** Part of the worker's name. */
  readonly worker?: string;
  readonly minLevel?: number;
}

const DATED = /^\d{4}-\d{2}-\d{2}\//;

/** Names of the days from `fromMs` to `toMs`, in order. */
function days(fromMs: number, toMs: number): string[] {
  const found: string[] = [];
  for (let day = Math.floor(fromMs / DAY_MS) * DAY_MS; day <= toMs; day += DAY_MS)
    found.push(isoTime(day).slice(0, 10));
  return found;
}

const workerOf = (blob: string): string => decodeURIComponent(blob.replace(DATED, '').replace(/(\.\d+)?\.jsonl$/, ''));

/** True when the filter asks for this line. */
function matches(line: LogLine, filter: LogFilter): boolean {
  const { fields } = line;
  if (line.atMs < filter.fromMs || (filter.toMs !== undefined && line.atMs > filter.toMs)) return false;
  if (filter.minLevel !== undefined && line.level < filter.minLevel) return false;
  if (filter.batch !== undefined && fields['batch'] !== filter.batch && !namesBatch(fields, filter.batch)) return false;
  return filter.sensor === undefined || ofSensor(fields, filter.sensor);
}

/** Lines of Temporal's own carry the ids of workflows: those of children begin with the batch's. */
function namesBatch(fields: LogLine['fields'], batch: string): boolean {
  return typeof fields['workflowId'] === 'string' && fields['workflowId'].startsWith(`${batch}/`);
}

function ofSensor(fields: LogLine['fields'], { device, sensor, id }: NonNullable<LogFilter['sensor']>): boolean {
  if (fields['device'] === device && fields['sensor'] === sensor) return true;
  const [from, to] = [fields['sensorFrom'], fields['sensorTo']];
  return id !== undefined && typeof from === 'number' && typeof to === 'number' && from <= id && id < to;
}

function parseLine(text: string, worker: string): LogLine | undefined {
  try {
    const fields = JSON.parse(text) as Record<string, unknown>;
    const atMs = typeof fields['time'] === 'number' ? fields['time'] : Date.parse(String(fields['time']));
    return Number.isNaN(atMs)
      ? undefined
      : { atMs, level: Number(fields['level']) || 30, worker, message: String(fields['msg'] ?? ''), fields };
  } catch {
    return undefined;
  }
}

export interface LogReader {
  /** Calls `found` with every line that is new since the last look and matches. */
  read(filter: LogFilter, found: (line: LogLine) => void): Promise<void>;
}

export function openLogs(container: ContainerClient): LogReader {
  /** Bytes read of each blob, whole lines only. */
  const offsets = new Map<string, number>();
  return {
    async read(filter, found) {
      for (const day of days(filter.fromMs, filter.toMs ?? Date.now()))
        for await (const { name, properties } of container.listBlobsFlat({ prefix: `${day}/` })) {
          const worker = workerOf(name);
          const offset = offsets.get(name) ?? 0;
          if (
            (properties.contentLength ?? 0) <= offset ||
            (filter.worker !== undefined && !worker.includes(filter.worker))
          )
            continue;
          // Last written before the time asked for.
          if (properties.lastModified.getTime() < filter.fromMs) continue;
          await readBlob(container, name, offset, (text, bytes) => {
            offsets.set(name, (offsets.get(name) ?? 0) + bytes);
            const line = parseLine(text, worker);
            if (line && matches(line, filter)) found(line);
          });
        }
    },
  };
}

/** Calls `found` with each line and the bytes that it takes; a connection that breaks is taken up where it broke. */
async function readBlob(
  container: ContainerClient,
  name: string,
  offset: number,
  found: (text: string, bytes: number) => void,
): Promise<void> {
  let at = offset;
  for (let again = 0; ; again++) {
    // A block is whole lines, so a blob never ends in the middle of one.
    let rest = Buffer.alloc(0);
    try {
      for await (const { bytes } of pieces(container.getBlobClient(name), at)) {
        rest = Buffer.concat([rest, bytes]);
        let from = 0;
        for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE, from)) {
          found(rest.toString('utf8', from, end).replace(/\r$/, ''), end + 1 - from);
          at += end + 1 - from;
          from = end + 1;
        }
        rest = rest.subarray(from);
      }
      return;
    } catch (error) {
      // Lines were added meanwhile, which makes another version of the blob; what was read stays as it is.
      if (!isReplaced(error) || again >= READ_AGAIN) throw error;
    }
  }
}

const READ_AGAIN = 10;
const NEWLINE = 0x0a;
