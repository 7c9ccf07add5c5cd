/** What `ingest rebuild` tells at its end: what was merged, what was not and why, and where to go on. */
import type { DeadReason, RebuildResult } from '../../ingest/rebuild-tally.ts';
import { formatCount, formatNumberOf } from '../../report/format.ts';

export function rebuildText(result: RebuildResult): string {
  return [
    `${formatNumberOf(result.readings, 'reading')} of the period merged into windows, from ` +
      `${formatNumberOf(result.events, 'event')} in ${formatNumberOf(result.files, 'file')}.`,
    ...deadText(result),
    ...unreadableText(result),
    ...(result.otherName === undefined
      ? []
      : [
          `Not read: ${formatNumberOf(result.otherNames, 'file')} with names of another format, such as ` +
            `raw/${result.otherName}; --names takes the format.`,
        ]),
    'Batches of the period that scored other windows: fleetscore batch rescore',
  ].join('\n');
}

function deadText({ dead, deadInPeriod, reasons }: RebuildResult): string[] {
  if (dead === 0) return [];
  const when = deadInPeriod === dead ? '' : ` (${formatCount(deadInPeriod)} came in the period, the others later)`;
  return [
    `${formatNumberOf(dead, 'reading or event', 'readings and events')} could not be taken${when}:`,
    ...reasons.map(reasonLine),
    reasons.some(({ letter }) => letter)
      ? 'Ingest has kept such events as dead letters: fleetscore ingest deadletters'
      : 'There are no dead letters of them: no ingest worker has read these events. ' +
        'Where the settings are wrong (FLEETSCORE_FIELD_*), mend them and rebuild again.',
  ];
}

const reasonLine = ({ reason, count, message, partition, seq }: DeadReason): string =>
  `  ${formatCount(count)} ${reason}: ${message} (partition ${partition}, event ${formatCount(seq)})`;

function unreadableText({ filesUnreadable, unreadable }: RebuildResult): string[] {
  if (filesUnreadable === 0) return [];
  return [
    `${formatNumberOf(filesUnreadable, 'file')} could not be read, their events are missing here:`,
    ...unreadable.slice(0, 10).map(({ message }) => `  ${message}`),
    ...(filesUnreadable > 10 ? [`  and ${formatCount(filesUnreadable - 10)} more; --json lists up to 100`] : []),
  ];
}
