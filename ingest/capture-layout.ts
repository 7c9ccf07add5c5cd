/**
 * Where raw capture lies: in the folders that our workers write, and, where Azure Event Hubs Capture has a format of
 * names of its own, under such names too. A search lists what names begin with as far as the time is said in them.
 */
import type { PartitionProgress } from '../storage/store.ts';
import { captureNamesOf } from './capture-names.ts';
import { parseCaptureName, type CaptureName } from './capture.ts';
import { hubFolder, type HubName } from './event.ts';

/** Digits of a time in UTC, as far as they are known: a year, a month of it, and so on. */
export interface KnownTime {
  readonly Year: string;
  readonly Month?: string;
  readonly Day?: string;
  readonly Hour?: string;
}

export interface CaptureLayout {
  /** What the names of files of a time begin with. */
  readonly prefixes: (time: KnownTime) => readonly string[];
  readonly parse: (name: string) => CaptureName | undefined;
}

/** @param folders `{namespace}/{hub}/{partition}` of every partition */
export const ownLayout = (folders: readonly string[]): CaptureLayout => ({
  prefixes: ({ Year, Month, Day, Hour }) => {
    const path = [Year, Month, Day, Hour].filter((part) => part !== undefined).join('/');
    return folders.map((folder) => `${folder}/${path}/`);
  },
  parse: parseCaptureName,
});

/**
 * Of the partitions that were read, by whichever consumer groups.
 * @param format of names, as the hub has it; absent: only those that workers give
 * @throws FleetscoreError `INVALID_ARGUMENT` for a format that is none
 */
export function captureLayouts(
  progress: readonly Pick<PartitionProgress, 'source' | 'partition'>[],
  format?: string,
): CaptureLayout[] {
  const hubs = new Map<string, { readonly hub: HubName; readonly partitions: Set<string> }>();
  for (const { source, partition } of progress) {
    const [namespace, name] = source.split('/') as [string, string];
    const hub = { namespace, hub: name };
    const known = hubs.get(hubFolder(hub)) ?? { hub, partitions: new Set() };
    known.partitions.add(partition);
    hubs.set(hubFolder(hub), known);
  }
  const folders = [...hubs].flatMap(([folder, { partitions }]) => [...partitions].map((one) => `${folder}/${one}`));
  const formats =
    format === undefined
      ? []
      : [...hubs.values()].map(({ hub, partitions }): CaptureLayout => {
          const { prefixOf, parse } = captureNamesOf(format, hub);
          return {
            prefixes: (time) => [...new Set([...partitions].map((PartitionId) => prefixOf({ ...time, PartitionId })))],
            parse,
          };
        });
  return [ownLayout(folders), ...formats];
}
