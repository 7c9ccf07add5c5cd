/** How a stack of `fleetscore up` can die, or lose a part; and what is waited for around it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../cli/frame/context.ts';
import { readStack } from '../../local/state.ts';
import { poolWorkflowId } from '../../pool/settings.ts';
import type { PoolState } from '../../workflows/pool-messages.ts';
import { processesOf, type CliResult } from '../support/cli.ts';
import { pidsOf, type Part } from '../support/stack-pids.ts';

export interface Death {
  readonly name: string;
  /** Whether the stack ends by it, and has to be started again. */
  readonly ends: boolean;
  readonly strike: (home: string, cli: (...args: string[]) => Promise<CliResult>) => Promise<void>;
}

const PART_MS = 60_000;

function kill(home: string, part: Part): number[] {
  const pids = pidsOf(home, part);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  return pids;
}

const server = (part: Part): Death => ({
  name: `SIGKILL ${part}`,
  ends: true,
  strike: async (home) => void kill(home, part),
});

/** Its supervisor starts it again. */
const worker = (part: Part): Death => ({
  name: `SIGKILL ${part} worker`,
  ends: false,
  async strike(home) {
    const gone = kill(home, part);
    // A pool without work has no scoring worker.
    if (gone.length === 0 || part === 'scoring') return;
    for (const end = Date.now() + PART_MS; ; await sleep(200)) {
      const now = pidsOf(home, part);
      if (now.length > 0 && !now.some((pid) => gone.includes(pid))) return;
      if (Date.now() > end) throw new Error(`nobody started it again within ${PART_MS / 1_000} s`);
    }
  },
});

/** In turn: each server, each worker, the process that owns the stack, all at once, and the plain end. */
export const DEATHS: readonly Death[] = [
  server('temporal'),
  worker('control'),
  server('blob'),
  worker('ingest'),
  server('event hubs'),
  worker('scoring'),
  {
    name: 'SIGKILL supervisor',
    ends: true,
    strike: async (home) => void process.kill(readStack(home)!.supervisor.pid, 'SIGKILL'),
  },
  {
    name: 'SIGKILL everything',
    ends: true,
    async strike(home) {
      for (const line of processesOf(home)) {
        try {
          process.kill(Number(line.split(' ')[0]), 'SIGKILL');
        } catch {
          // It ended with the one before it.
        }
      }
    },
  },
  {
    name: 'down',
    ends: true,
    async strike(_, cli) {
      const { code, stderr } = await cli('down');
      if (code !== 0) throw new Error(`it ended with ${code}: ${stderr}`);
    },
  },
];

/** Waits until no process of the home lives; what still does after a minute. */
export async function untilGone(home: string): Promise<string[]> {
  for (const end = Date.now() + PART_MS; Date.now() < end; await sleep(200))
    if (processesOf(home).length === 0) return [];
  return processesOf(home);
}

/** Has the loop of the pool begin its next run after two looks, and waits until it has. @returns how many runs began */
export async function hurryPool(context: Context): Promise<number> {
  const loop = (await context.client()).workflow.getHandle(poolWorkflowId('scoring'));
  const { settings } = await loop.query<PoolState>('pool');
  const { runId } = await loop.describe();
  await loop.executeUpdate('configure', { args: [{ ...settings, looks: 2 }] });
  for (const end = Date.now() + 2 * PART_MS; (await loop.describe()).runId === runId; await sleep(500))
    if (Date.now() > end) throw new Error('the loop of the pool did not continue as new');
  return 1;
}
