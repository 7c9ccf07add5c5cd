/**
 * Readings that flow into a stack that dies again and again. An event that nobody acknowledged is sent again, with the
 * same readings, until somebody does: what the windows must hold is known exactly.
 */
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../cli/frame/context.ts';
import { openProducer } from '../../connect/event-hubs.ts';
import { parseCaptureName } from '../../ingest/capture.ts';
import { readCapture } from '../../ingest/capture-file.ts';
import type { SensorKey } from '../../domain/sensor.ts';

const EVERY_MS = 200;
const AT_ONCE = 4;
const SEND_MS = 10_000;

export interface LifeFeed {
  /** Readings that Event Hubs acknowledged. */
  sent(): number;
  /**
   * Whether so many readings are what the windows may hold, each once: those acknowledged, and all or none of those
   * sent last, when the stack died between storing them and saying so.
   */
  accounts(readings: number): boolean;
  /** Sends while `alive` says so, then lets the stack go. */
  run(context: Context, alive: () => boolean): Promise<void>;
}

export function lifeFeed(names: readonly SensorKey[]): LifeFeed {
  let sent = 0;
  let made = 0;
  let pending: readonly { readonly body: object }[] = [];
  const next = (): { readonly body: object } => {
    const value = made++;
    return { body: { ...names[value % names.length]!, ts: Date.now(), value } };
  };
  return {
    sent: () => sent,
    accounts: (readings) => readings === sent || readings === sent + pending.length,
    async run(context, alive) {
      const producer = openProducer(context.config);
      while (alive()) {
        if (pending.length === 0) pending = Array.from({ length: AT_ONCE }, next);
        try {
          // The client itself waits for ever for a link that died while it was opened.
          await producer.sendBatch([...pending], { abortSignal: AbortSignal.timeout(SEND_MS) });
          sent += pending.length;
          pending = [];
        } catch {
          // It died: what was not acknowledged goes to the next one.
        }
        await sleep(EVERY_MS);
      }
      await Promise.race([producer.close().catch(() => {}), sleep(SEND_MS, undefined, { ref: false })]);
    },
  };
}

/** Readings in the windows that begin from `sinceMs` on, by SQL. */
export function readingsIn(home: string, sinceMs: number): number {
  const db = new DatabaseSync(join(home, 'data', 'fleet.db'), { readOnly: true, timeout: 10_000 });
  try {
    return Number(db.prepare('SELECT sum(count) AS n FROM windows WHERE start_ms >= ?').get(sinceMs)?.n ?? 0);
  } finally {
    db.close();
  }
}

/** What does not fit between raw capture and what was read: each event of a partition once, in order. */
export async function captureProblems(context: Context): Promise<string[]> {
  const seen = new Map<string, number>();
  const problems: string[] = [];
  const files = [];
  for await (const { name } of context.blobs().list('raw', '')) files.push(parseCaptureName(name)!);
  files.sort((a, b) => a.partition.localeCompare(b.partition) || a.timeMs - b.timeMs || a.order - b.order);
  for (const { name, partition } of files)
    for (const { seq } of readCapture(await context.blobs().get('raw', name), name)) {
      const expected = (seen.get(partition) ?? -1) + 1;
      if (seq !== expected) problems.push(`${name}: event ${seq} of partition ${partition}, ${expected} was expected`);
      seen.set(partition, seq);
    }
  return problems;
}
