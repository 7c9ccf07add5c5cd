/** Several sources of readings as one: by time, as far as each source is in the order of time. Holds one of each. */
import type { SentReading } from '../send-readings.ts';

export async function* mergeByTime(sources: readonly AsyncIterator<SentReading>[]): AsyncGenerator<SentReading> {
  const heads: { readonly source: AsyncIterator<SentReading>; reading: SentReading }[] = [];
  for (const source of sources) {
    const first = await source.next();
    if (first.done !== true) heads.push({ source, reading: first.value });
  }
  while (heads.length > 0) {
    // Of equal times the file that was named first, so that a second run sends the same order.
    let next = 0;
    for (let i = 1; i < heads.length; i++) if (heads[i]!.reading.tsMs < heads[next]!.reading.tsMs) next = i;
    const head = heads[next]!;
    yield head.reading;
    const following = await head.source.next();
    if (following.done === true) heads.splice(next, 1);
    else head.reading = following.value;
  }
}
