/** A workflow that runs `forEachThrottled` while a script of steps pauses, resumes, slows and lets items end. */
import { condition, proxyLocalActivities } from '@temporalio/workflow';
import { forEachThrottled, type Throttle } from '../../workflows/throttle.ts';

/** Lets what waits go on, without a round trip to the server as a timer has. */
export interface TickActivities {
  tick(): Promise<void>;
}
const { tick } = proxyLocalActivities<TickActivities>({ startToCloseTimeout: '1m' });

export type Step =
  | { readonly do: 'pause' | 'resume' }
  | { readonly do: 'limit'; readonly limit: number }
  /** The oldest item under way tells that it has started; or ends; or fails. */
  | { readonly do: 'started' | 'end' | 'fail' };

export interface Seen {
  /** In the order in which they were started. */
  readonly started: readonly number[];
  /** What was wrong at the moment of a start. */
  readonly wrong: readonly string[];
  readonly ended: number;
  /** The error that came out. */
  readonly error: string | undefined;
  /** Under way when it came out or all was done. */
  readonly left: number;
}

export async function throttled(items: number, limit: number, starts: number, steps: readonly Step[]): Promise<Seen> {
  const throttle: Throttle = { limit, paused: false, starts };
  const underWay = new Map<number, { told: boolean; end: (error?: Error) => void; tell: () => void }>();
  const started: number[] = [];
  const wrong: string[] = [];
  let ended = 0;
  let failed = false;
  let done = false;
  const work = (item: number, tell: () => void): Promise<void> =>
    new Promise((resolve, reject) => {
      const asked = [...underWay.values()].filter(({ told }) => !told).length;
      if (throttle.paused) wrong.push(`${item} started while paused`);
      if (underWay.size >= throttle.limit) wrong.push(`${item} started beside ${underWay.size} of ${throttle.limit}`);
      if (asked >= starts) wrong.push(`${item} started while ${asked} were asked for`);
      if (failed) wrong.push(`${item} started after a failure`);
      started.push(item);
      const end = (error?: Error): void => {
        underWay.delete(item);
        ended += 1;
        if (error) reject(error);
        else resolve();
      };
      underWay.set(item, { told: false, tell, end });
    });
  const all = Array.from({ length: items }, (_, i) => i);
  let error: string | undefined;
  let left = 0;
  const running = forEachThrottled(all, throttle, work)
    .catch((thrown: unknown) => (error = (thrown as Error).message))
    .finally(() => {
      left = underWay.size;
      done = true;
    });
  for (const step of steps) {
    await tick();
    take(step);
  }
  // To the end, whatever the steps left: nothing may hang.
  throttle.paused = false;
  throttle.limit = Math.max(1, throttle.limit);
  while (!done) {
    await condition(() => done || underWay.size > 0);
    for (const { end } of underWay.values()) end();
    await tick();
  }
  await running;
  return { started, wrong, ended, error, left };

  function take(step: Step): void {
    const [oldest] = underWay.values();
    if (step.do === 'pause') throttle.paused = true;
    else if (step.do === 'resume') throttle.paused = false;
    else if (step.do === 'limit') throttle.limit = step.limit;
    else if (step.do === 'started') {
      const next = [...underWay.values()].find(({ told }) => !told);
      if (next) {
        next.told = true;
        next.tell();
      }
    } else if (step.do === 'end') oldest?.end();
    else if (oldest) {
      failed = true;
      oldest.end(new Error('an item failed'));
    }
  }
}
