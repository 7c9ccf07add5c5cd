/**
 * What the processes of a stack use, from /proc (Linux): CPU seconds and peak memory, by the part they play.
 * They are found by the folder of the stack in their environment, so nothing has to report by itself.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a command line says about the part a process plays. */
const PARTS = [
  ['Temporal server', /temporal\S*\0server\0start-dev/],
  ['Blob server', /local\/blob-server\/main\.[tj]s/],
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
      if (part && readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`FLEETSCORE_HOME=${home}`))
        yield { pid, part };
    } catch {
      // It ended meanwhile.
    }
  }
}

function byPart(home: string, value: (pid: string) => number): Partial<Record<Part, number[]>> {
  const found: Partial<Record<Part, number[]>> = {};
  for (const [part] of PARTS)
    for (const process of processesOf(home)) if (process.part === part) (found[part] ??= []).push(value(process.pid));
  return found;
}

/** Several processes of one part as one figure. */
function fold(found: Partial<Record<Part, number[]>>, of: (values: readonly number[]) => number): ByPart {
  return Object.fromEntries(Object.entries(found).map(([part, values]) => [part, of(values)])) as ByPart;
}

/** Fields of /proc/PID/stat from the third on: state, parent, ... */
const statOf = (pid: string): string[] =>
  readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
const secondsOf = (fields: readonly string[]): number => (Number(fields[11]) + Number(fields[12])) / TICKS;

/** User and system CPU seconds so far. */
export const cpuSeconds = (home: string): ByPart =>
  fold(
    byPart(home, (pid) => secondsOf(statOf(pid))),
    (seconds) => seconds.reduce((sum, value) => sum + value, 0),
  );

/** User and system CPU seconds so far of the processes that this one started for models with sessions of their own. */
export function modelProcessSeconds(): number {
  let sum = 0;
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const fields = statOf(pid);
      if (
        Number(fields[1]) === process.pid &&
        /scoring\/model-process\.[tj]s/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
      )
        sum += secondsOf(fields);
    } catch {
      // It ended meanwhile.
    }
  }
  return sum;
}

const peakOf = (pid: string): number =>
  Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024);

/** Peak resident memory since {@link forgetPeaks}, MiB; of a part with several processes the largest. */
export const peakMiB = (home: string): ByPart => fold(byPart(home, peakOf), (peaks) => Math.max(...peaks));

/** As {@link peakMiB}, of each process of one part. */
export const peaksMiB = (home: string, part: Part): number[] => byPart(home, peakOf)[part] ?? [];

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
  return Object.fromEntries(
    Object.entries(after).map(([part, value]) => [part, value - (before[part as Part] ?? 0)]),
  ) as ByPart;
}
