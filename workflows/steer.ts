/** The updates of a running batch: how many children at once, pause, resume. */
import { patched, setHandler } from '@temporalio/workflow';
import { pauseUpdate, resumeUpdate, setConcurrencyUpdate } from './messages.ts';
import { MAX_PENDING, MAX_STARTS } from './policies.ts';
import { fullSpeed, type Throttle } from './throttle.ts';

/** @param onPause told of each pause and each end of one */
export function steerable(onPause: (paused: boolean) => void): Throttle {
  const throttle = fullSpeed(patched('few-starts') ? MAX_STARTS : MAX_PENDING);
  setHandler(setConcurrencyUpdate, (limit) => (throttle.limit = limit), {
    validator(limit) {
      if (!(Number.isInteger(limit) && limit >= 1 && limit <= MAX_PENDING))
        throw new Error(
          `the concurrency of a batch is a whole number from 1 to ${MAX_PENDING}, got ${JSON.stringify(limit)}`,
        );
    },
  });
  const pause = (paused: boolean) => (): void => {
    throttle.paused = paused;
    onPause(paused);
  };
  setHandler(pauseUpdate, pause(true));
  setHandler(resumeUpdate, pause(false));
  return throttle;
}
