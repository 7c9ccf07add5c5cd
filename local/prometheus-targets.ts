/**
 * `{home}/prometheus-targets.json`: where the workers of the stack serve metrics, in the form of Prometheus'
 * `file_sd_configs`, so that one finds workers that come and go. Written whole at each change, gone with the stack. A
 * help for whoever looks: where it cannot be written the stack goes on, and says so once.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../domain/errors.ts';
import { writeWholeSync } from '../storage/whole-file.ts';
import { LOOPBACK } from '../domain/loopback.ts';

export interface PrometheusTargets {
  /** A worker serves metrics on this port of loopback. */
  add(pid: number, role: string, port: number): void;
  /** A worker ended. */
  remove(pid: number): void;
}

export const targetsFile = (home: string): string => join(home, 'prometheus-targets.json');

/** What an earlier stack left, or this one leaves. */
export const dropTargets = (home: string): void => rmSync(targetsFile(home), { force: true });

/** Begins with an empty list. @param log told once where the file cannot be written */
export function openTargets(home: string, log: (line: string) => void): PrometheusTargets {
  const workers = new Map<number, { readonly role: string; readonly port: number }>();
  let told = false;
  const write = (): void => {
    // A label `role` would take the place of that of fleetscore_build_info.
    const groups = [...workers.values()].map(({ role, port }) => ({
      targets: [`${LOOPBACK}:${port}`],
      labels: { worker: role },
    }));
    try {
      writeWholeSync(targetsFile(home), `${JSON.stringify(groups, null, 1)}\n`);
    } catch (error) {
      if (!told) log(`Prometheus does not learn of workers that come and go: ${messageOf(error)}`);
      told = true;
    }
  };
  write();
  return {
    add(pid, role, port) {
      workers.set(pid, { role, port });
      write();
    },
    remove(pid) {
      if (workers.delete(pid)) write();
    },
  };
}
