/**
 * A service that is away for a while costs a scoring attempt time, not one of the few attempts that a chunk has for
 * crashes: inside of an attempt the work is tried again until the service is back, or `patienceMs` have passed.
 * Nothing of it comes into Temporal's history.
 */
import { FleetscoreError, OUTAGE_CODES } from '../domain/errors.ts';
import { pauseFor } from '../storage/deadline.ts';

const FIRST_PAUSE_MS = 1_000;
/** So soon after the service is back the work goes on, at the latest. */
const LONGEST_PAUSE_MS = 10_000;

export interface Patience {
  /** From the first trouble on, ms. */
  readonly patienceMs: number;
  readonly signal?: AbortSignal;
  /** Told of the first trouble. */
  readonly warn?: (message: string) => void;
}

/**
 * @param work is begun anew for each try; holds nothing between two. @throws what the last try threw, or the signal's
 * reason
 */
export async function patiently<T>(work: () => Promise<T>, { patienceMs, signal, warn }: Patience): Promise<T> {
  let sinceMs: number | undefined;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof FleetscoreError && OUTAGE_CODES.has(error.code)) || patienceMs <= 0) throw error;
      if (sinceMs === undefined) warn?.(`waiting for a service: ${error.message}`);
      sinceMs ??= performance.now();
      // What the service asks for is kept; a quarter more or less, so that not all workers come back at once.
      const nextMs = Math.max(error.retryAfterMs ?? 0, pauseMs * (0.75 + Math.random() / 2));
      if (performance.now() - sinceMs + nextMs > patienceMs) throw error;
      await pauseFor(nextMs, signal);
    }
  }
}
