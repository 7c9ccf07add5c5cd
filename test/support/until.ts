/** The one way in which tests wait: for what they look for, with a generous limit, never for a time. */
import { setTimeout as sleep } from 'node:timers/promises';

const WITHIN_MS = 240_000;
/** Between two looks; a look that asks a process or a server of its own takes longer than that. */
const EVERY_MS = 20;

/**
 * Looks again and again until something other than false or undefined is there, and gives it.
 * @param what is waited for, in words; the code of the look when absent
 * @throws Error after four minutes, so that a test that is over does not keep the process alive
 */
export async function until<T>(
  look: () => T | Promise<T>,
  what = String(look),
): Promise<Exclude<T, false | undefined>> {
  for (const end = performance.now() + WITHIN_MS; ; await sleep(EVERY_MS)) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<T, false | undefined>;
    if (performance.now() > end) throw new Error(`still not there after ${WITHIN_MS / 1000} s: ${what}`);
  }
}
