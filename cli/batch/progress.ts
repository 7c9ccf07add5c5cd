/** Progress of a batch: a bar on a terminal, plain lines elsewhere. */
import { Presets, SingleBar } from 'cli-progress';
import { decided } from '../../domain/outcome.ts';
import type { Context } from '../frame/context.ts';
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
  if (!stream.isTTY || process.env.NO_COLOR !== undefined) return plainLines(title, unit, stream);
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
      bar.update(done, { note: note === '' ? '' : ` | ${note}` });
    },
    end: () => bar.stop(),
  };
}

function plainLines(title: string, unit: string, stream: NodeJS.WriteStream): Bar {
  let last = '';
  let lastAt = Date.now();
  let line = '';
  return {
    set(done, total, note = '') {
      line = `${title}: ${count(done)} of ${count(total)} ${unit}${note === '' ? '' : ` | ${note}`}`;
      if (Date.now() - lastAt < LINE_EVERY_MS) return;
      lastAt = Date.now();
      last = line;
      stream.write(`${line}\n`);
    },
    end() {
      if (line !== '' && line !== last) stream.write(`${line}\n`);
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
  const loop = (async () => {
    while (!stopped) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    await look();
    bar.end();
  })();
  return async () => {
    stopped = true;
    await loop;
  };
}
