/** What became of the files of the drop, in a line. */
import type { DropState } from '../../domain/drop.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';

/** `3 files read, one is being read, 1 failed: fleetscore drop list --failed`; undefined where there were none. */
export function dropSummary({ done, reading, failed }: Readonly<Record<DropState, number>>): string | undefined {
  if (done + reading + failed === 0) return undefined;
  return [
    `${formatNumberOf(done, 'file')} read`,
    ...(reading > 0 ? ['one is being read'] : []),
    ...(failed > 0 ? [`${formatCount(failed)} failed: fleetscore drop list --failed`] : []),
  ].join(', ');
}
