/**
 * Keeps SQLite's write-ahead log short. Normally a committer copies a few MB of it back now and then. A long reader
 * stops that, and then the next committer would copy all of it at once, on its own thread (seconds for 1 GB). So from
 * a size on committers leave it alone, and a thread of its own starts the log over, again and again until readers let
 * it.
 */
import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/** Committers copy back after so many pages (16 MB). */
export const AUTO_PAGES = 4_000;
/** From here on a thread of its own does it. */
const LONG_BYTES = 64 * 1024 * 1024;
/** Down to here it goes on. */
const SHORT_BYTES = 32 * 1024 * 1024;
const LOOK_EVERY_MS = 250;

/**
 * Plain JavaScript, so that it runs the same from source and built. RESTART waits for readers, then the log begins
 * anew.
 */
const THREAD = `
const { workerData, parentPort } = require('node:worker_threads');
const { DatabaseSync } = require('node:sqlite');
const db = new DatabaseSync(workerData.path, { timeout: 2000 });
let row;
try {
  for (let tries = 0; tries < 10; tries++) {
    row = db.prepare('PRAGMA wal_checkpoint(RESTART)').get();
    if (row.busy === 0) break;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
  }
  // The file is cut to its limit by the next writer; this is that writer.
  db.exec('PRAGMA journal_size_limit = 67108864; PRAGMA wal_checkpoint(TRUNCATE)');
} catch {
  // Busy or full: it is tried again at the next look.
}
db.close();
parentPort.postMessage(row ?? null);
`;

export interface Checkpointer {
  /** Before a commit: says whether the committer copies the log back by itself. */
  beforeCommit(): void;
  close(): void;
}

/** @param setAuto sets `wal_autocheckpoint` of the connection */
export function checkpointer(path: string, setAuto: (pages: number) => void): Checkpointer {
  if (path === ':memory:') return { beforeCommit: () => {}, close: () => {} };
  let lookedAtMs = 0;
  let long = false;
  let thread: Worker | undefined;
  const walBytes = (): number => statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  const start = (): void => {
    if (thread) return;
    thread = new Worker(THREAD, {
      eval: true,
      workerData: { path },
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    // It holds nothing up: at the end of the process the log stays for the next one.
    thread.unref();
    thread.on('error', () => {});
    thread.on('exit', () => (thread = undefined));
  };
  return {
    beforeCommit() {
      const nowMs = performance.now();
      if (nowMs - lookedAtMs < LOOK_EVERY_MS) return;
      lookedAtMs = nowMs;
      const bytes = walBytes();
      const isLong = bytes > (long ? SHORT_BYTES : LONG_BYTES);
      if (isLong !== long) setAuto(isLong ? 0 : AUTO_PAGES);
      long = isLong;
      if (long) start();
    },
    close: () => void thread?.terminate(),
  };
}
