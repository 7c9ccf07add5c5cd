/** How long idle nodes are kept for the next batch, as options and files say it. */
import { FleetscoreError } from '../domain/errors.ts';
import { parseDuration } from '../domain/time.ts';
import type { KeepWarm } from './settings.ts';

/** `break-even`, `never`, `always` or a duration. @throws FleetscoreError `INVALID_LIMITS` */
export function parseKeepWarm(text: string): KeepWarm {
  if (text === 'break-even' || text === 'never' || text === 'always') return text;
  try {
    return parseDuration(text);
  } catch {
    throw new FleetscoreError(
      'INVALID_LIMITS',
      `keep-warm takes break-even, never, always or a time such as 20m, got ${JSON.stringify(text)}.`,
    );
  }
}
