/**
 * The name of a worker process: one, wherever the process is named. Temporal shows it as the identity of a worker, an
 * outcome says who recorded a failure by it, its log in Blob and its traces are found by it. Pure.
 */
export type WorkerRole = 'control' | 'scoring' | 'ingest' | 'cli';

export interface WorkerProcess {
  /** {@link WorkerRole}, or the name of another process that writes a log. */
  readonly role: string;
  /** Node of a pool on which it was started; absent when it was started by hand. */
  readonly node?: string | undefined;
  readonly host: string;
  readonly pid: number;
}

/** `scoring/NODE@HOST#PID`, or `control@HOST#PID` without a node. */
export function workerName({ role, node, host, pid }: WorkerProcess): string {
  return node ? `${role}/${node}@${host}#${pid}` : `${role}@${host}#${pid}`;
}

const ON_NODE = /^scoring\/([A-Za-z0-9-]+)@/;

/** The pool's node that a worker of this name runs on; undefined for one that was started by hand. */
export const nodeOfWorker = (name: string): string | undefined => ON_NODE.exec(name)?.[1];
