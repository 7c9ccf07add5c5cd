/** What can go wrong with a stack, as things to do to one. Each heals itself, or is healed by `heal`. */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultStack } from '../support/fault-stack.ts';
import { PARTS, type Part } from '../support/stack-pids.ts';

/** A number in [0, 1); the same seed gives the same row of them. */
export type Random = () => number;

export interface Nemesis {
  readonly name: string;
  readonly strike: (stack: FaultStack, random: Random) => Promise<void>;
}

const between = (random: Random, from: number, to: number): number => Math.round(from + random() * (to - from));

const kill = (part: Part): Nemesis => ({
  name: `kill ${part}`,
  strike: async (stack) => stack.signal(part, 'SIGKILL'),
});

const freeze = (part: Part, longestMs: number): Nemesis => ({
  name: `freeze ${part}`,
  async strike(stack, random) {
    const [pid] = stack.pids(part);
    const ms = between(random, 200, longestMs);
    if (pid === undefined) return;
    process.kill(pid, 'SIGSTOP');
    await sleep(ms);
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      // Something else killed it meanwhile.
    }
  },
});

const restart = (part: 'temporal' | 'blob' | 'event hubs'): Nemesis => ({
  name: `restart ${part}`,
  strike: (stack, random) => stack.restartServer(part, between(random, 0, 2_000)),
});

const storm: Nemesis = {
  name: 'trouble at the storage account',
  async strike(stack, random) {
    const share = 0.05 + random() * 0.5;
    stack.proxy.plan(() => {
      if (random() > share) return undefined;
      const what = Math.floor(random() * 5);
      if (what === 0) return { kind: 'status', status: 503 };
      if (what === 1) return { kind: 'status', status: 429, retryAfterSeconds: 1 };
      if (what === 2) return { kind: 'slow', ms: between(random, 100, 3_000) };
      return what === 3 ? { kind: 'answer lost' } : { kind: 'reset' };
    });
    await sleep(between(random, 500, 6_000));
    stack.proxy.plan();
  },
};

/** Nobody else can write for a while; past the time that workers wait for a lock, their calls fail. */
const lock: Nemesis = {
  name: 'lock the store',
  async strike(stack, random) {
    const ms = between(random, 500, 8_000);
    const db = new DatabaseSync(stack.context.config.sqlUrl.replace(/^sqlite:/, ''));
    try {
      db.exec('PRAGMA busy_timeout = 2000; BEGIN IMMEDIATE');
      await sleep(ms);
      db.exec('ROLLBACK');
    } catch {
      // It was busy: then it is in trouble enough.
    } finally {
      db.close();
    }
  },
};

let upgrades = 0;

/** A newer version of the control worker comes; the one that came before is gone for good, its batches with it. */
const upgrade: Nemesis = {
  name: 'upgrade control',
  async strike(stack) {
    upgrades += 1;
    await stack.addControl(`upgrade-${upgrades}`);
    if (upgrades > 1) await stack.endControl(`upgrade-${upgrades - 1}`);
  },
};

export const NEMESES: readonly Nemesis[] = [
  kill('scoring'),
  kill('scoring'),
  kill('control'),
  freeze('scoring', 20_000),
  freeze('control', 12_000),
  freeze('temporal', 5_000),
  freeze('blob', 8_000),
  restart('temporal'),
  restart('blob'),
  storm,
  storm,
  lock,
  upgrade,
];

export function heal(stack: FaultStack): void {
  stack.proxy.plan();
  for (const part of Object.keys(PARTS) as Part[]) for (const pid of stack.pids(part)) process.kill(pid, 'SIGCONT');
}
