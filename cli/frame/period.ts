/** `--from` and `--to` of a command as a period: one that has no time in it is a slip, never an empty answer. */
import { FleetscoreError } from '../../domain/errors.ts';
import { isoTime, type Period } from '../../domain/time.ts';

/** @throws FleetscoreError `INVALID_ARGUMENT` where the end is not later than the start */
export function periodOf({ from, to }: { readonly from: number; readonly to: number }): Period {
  if (to <= from)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `--to (${isoTime(to)}) must be later than --from (${isoTime(from)}).`,
    );
  return { fromMs: from, toMs: to };
}
