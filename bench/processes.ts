/**
 * What the processes of a stack use, from /proc (Linux): CPU seconds and peak memory, by the part they play.
 * They are found by the folder of the stack in their environment, so nothing has to report by itself.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a command line says about the part a process plays. */
const PARTS = [
  ['Temporal server', /temporal\S*\0server\0start-dev/],
  ['azurite', /azurite\/dist\/src\/blob\/main\.js/],
  ['control worker', /workers\/control\.[tj]s/],
  ['scoring worker', /workers\/scoring\.[tj]s/],
  ['ingest worker', /workers\/ingest\.[tj]s/],
  ['Event Hubs emulator', /local\/event-hubs\/main\.[tj]s/],
  ['empty worker', /bench\/empty-worker\.[tj]s/],
] as const;

export type Part = (typeof PARTS)[number][0];
/** In the order of {@link PARTS}; parts that do not run are left out. */
export type ByPart = Partial<Record<Part, number>>;

/** Clock ticks a second of /proc: 100 on every Linux that Node runs on. */
const TICKS = 100;

function* processesOf(home: string): Generator<{ readonly pid: string; readonly part: Part }> {
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      // The guard carries the command it guards.
      if (command.includes('local/guard.js')) continue;
      const part = PARTS.find(([, pattern]) => pattern.test(command))?.[0];
      if (part && readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`FLEETSCORE_HOME=${home}`)) yield { pid, part };
    } catch {
      // It ended meanwhile.
    }
  }
}

function sums(home: string, value: (pid: string) => number): ByPart {
  const found: ByPart = {};
  for (const [part] of PARTS) {
    let sum: number | undefined;
    for (const process of processesOf(home)) if (process.part === part) sum = (sum ?? 0) + value(process.pid);
    if (sum !== undefined) found[part] = sum;
  }
  return found;
}

/** User and system CPU seconds so far. */
export const cpuSeconds = (home: string): ByPart =>
  sums(home, (pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  });

/** Peak resident memory since {@link forgetPeaks}, MiB. */
export const peakMiB = (home: string): ByPart =>
  sums(home, (pid) => Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024));

/** Starts the peaks anew. */
export function forgetPeaks(home: string): void {
  for (const { pid } of processesOf(home)) {
    try {
      writeFileSync(join('/proc', pid, 'clear_refs'), '5');
    } catch {
      // Not allowed on every system: then peaks are those since the start of the process.
    }
  }
}

export function difference(after: ByPart, before: ByPart): ByPart {
  return Object.fromEntries(Object.entries(after).map(([part, value]) => [part, value - (before[part as Part] ?? 0)])) as ByPart;
}
