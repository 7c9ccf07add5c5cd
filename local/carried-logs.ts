/** What the workers of the laptop stack write, on its way to Blob beside their log files. */
import type { ChildProcess } from 'node:child_process';
import { loadConfig, type Env } from '../config.ts';
import { createAppendSink } from '../logging/append-blob.ts';
import { noteEnd, shipperFor } from '../logging/carry.ts';
import type { LogShipper } from '../logging/shipper.ts';
import { logContainer } from '../connect/blob-storage.ts';
import type { ChildOptions } from './child.ts';

export interface CarriedLogs {
  /** Starts a worker; its output is carried until it has ended. */
  carry<C extends { readonly process: ChildProcess; readonly pid: number }>(
    role: string,
    env: Env,
    start: (onOutput: ChildOptions['onOutput']) => C,
  ): C;
  /** Waits for what ended workers wrote last. */
  close(): Promise<void>;
}

export function carryLogs(): CarriedLogs {
  const closing = new Set<Promise<void>>();
  return {
    carry(role, env, start) {
      const config = loadConfig(env);
      if (!config.logsToBlob) return start(undefined);
      let shipper: LogShipper | undefined;
      const child = start((stream, chunk) => shipper?.take(stream, chunk));
      const opened = (shipper = shipperFor(role, child.pid, env, createAppendSink(logContainer(config))));
      child.process.once('close', (code, signal) => {
        noteEnd(opened, code, signal);
        const closed = opened.close().finally(() => closing.delete(closed));
        closing.add(closed);
      });
      return child;
    },
    close: async () => void (await Promise.all(closing)),
  };
}
