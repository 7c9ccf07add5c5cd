/** Finds the processes of a stack by the home in their environment and the part they play (Linux). */
import { readdirSync, readFileSync } from 'node:fs';

/** How a process of the stack is recognised by its command line. */
export const PARTS = {
  temporal: /\btemporal\S* server start-dev\b/,
  blob: /local\/blob-server\/main/,
  'event hubs': /local\/event-hubs\/main/,
  control: /workers\/control/,
  ingest: /workers\/ingest/,
  scoring: /workers\/scoring/,
} as const;
export type Part = keyof typeof PARTS;

/** Process ids of a part; guards are not it. */
export function pidsOf(home: string, part: Part): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .flatMap((pid) => {
      const command = commandOf(pid, home);
      return command && PARTS[part].test(command.join(' ')) && !command.some((arg) => arg.endsWith('guard.js'))
        ? [Number(pid)]
        : [];
    });
}

/** The command line of a process that was started for this home. */
export function commandOf(pid: string | number, home: string): string[] | undefined {
  try {
    if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`FLEETSCORE_HOME=${home}\0`)) return undefined;
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return undefined; // it ended
  }
}

/** Resident memory of a process now, MiB; undefined when it ended. */
export function residentMiB(pid: number): number | undefined {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1024;
  } catch {
    return undefined;
  }
}
