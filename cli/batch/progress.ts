/** Progress of a batch: a bar on a terminal, plain lines elsewhere. */
import { Presets, SingleBar } from 'cli-progress';
import { messageOf } from '../../domain/errors.ts';
import { decided } from '../../domain/outcome.ts';
import { plainLine } from '../../domain/plain-text.ts';
import type { Context } from '../frame/context.ts';
import { say, tell } from '../frame/terminal.ts';
import { formatCount as count } from '../../report/format.ts';
import { readingsText, type BatchProgress } from '../../workflows/details.ts';

export interface Bar {
  set(done: number, total: number, note?: string): void;
  end(): void;
}

/** Between two plain lines, where there is no terminal. */
const LINE_EVERY_MS = 5_000;
/** Between two questions to a batch that waits. */
const ASK_EVERY_MS = 2_000;

export function startBar(title: string, unit: string, stream: NodeJS.WriteStream = process.stderr): Bar {
  if (!stream.isTTY || process.env.NO_COLOR !== undefined)
    return plainLines(title, unit, stream === process.stdout ? say : tell);
  const bar = new SingleBar(
    {
      format: `${title.padEnd(22)} {bar} {percentage} % | {value} of {total} ${unit}{note}`,
      stream,
      hideCursor: true,
      clearOnComplete: false,
      barsize: 30,
    },
    Presets.shades_classic,
  );
  bar.start(1, 0, { note: '' });
  return {
    set(done, total, note = '') {
      bar.setTotal(Math.max(total, 1));
      bar.update(done, { note: note === '' ? '' : ` | ${plainLine(note)}` });
    },
    end() {
      if (bar.isActive) bar.stop();
    },
  };
}

function plainLines(title: string, unit: string, write: (line: string) => void): Bar {
  let last = '';
  let lastAt = Date.now();
  let line = '';
  return {
    set(done, total, note = '') {
      line = `${title}: ${count(done)} of ${count(total)} ${unit}${note === '' ? '' : ` | ${note}`}`;
      if (Date.now() - lastAt < LINE_EVERY_MS) return;
      lastAt = Date.now();
      last = line;
      write(line);
    },
    end() {
      if (line !== '' && line !== last) write(line);
      last = line;
    },
  };
}

/**
 * Follows the outcomes of a batch in SQL until the returned function is called.
 * @param ask what the workflow says of itself, while the batch is not planned yet
 */
export async function watchBatch(
  context: Context,
  batchId: string,
  ask: () => Promise<BatchProgress>,
): Promise<() => Promise<void>> {
  const store = await context.store();
  const bar = startBar(`batch ${batchId.slice(0, 16)}`, 'sensors');
  let stopped = false;
  let askedAtMs = performance.now();
  const lookAtWait = async (): Promise<void> => {
    if (stopped || performance.now() - askedAtMs < ASK_EVERY_MS) return;
    askedAtMs = performance.now();
    // A worker that is busy, or not there yet, does not answer: then there is nothing to tell.
    const state = await ask().catch(() => undefined);
    if (state?.neededMs !== undefined) bar.set(0, 0, `waits for readings: ${readingsText(state)}`);
    else if (state?.phase.startsWith('waiting')) bar.set(0, 0, state.phase);
  };
  const look = async (): Promise<void> => {
    const batch = await store.findBatch(batchId);
    if (!batch || batch.status === 'waiting') return lookAtWait();
    const counts = batch.status === 'running' ? await store.countOutcomes(batchId) : batch.counts;
    bar.set(
      decided(counts),
      batch.planned,
      `${count(counts.anomalies)} anomalies${counts.failed > 0 ? `, ${count(counts.failed)} failed` : ''}`,
    );
  };
  // A look in vain costs nothing but the look: the batch goes on, and who waits for its end hears of that.
  let away = false;
  const tryLook = async (): Promise<void> => {
    try {
      await look();
      away = false;
    } catch (error) {
      if (!away) bar.set(0, 0, `the store does not answer: ${messageOf(error)}`);
      away = true;
    }
  };
  const loop = (async () => {
    while (!stopped) {
      await tryLook();
      await new Promise((resolve) => setTimeout(resolve, away ? ASK_EVERY_MS : 250));
    }
    await tryLook();
    bar.end();
  })();
  return async () => {
    stopped = true;
    await loop;
  };
}
