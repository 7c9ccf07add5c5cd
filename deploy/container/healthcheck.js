/**
 * Healthy is a worker whose process is there and holds a connection to a server (Temporal, Event Hubs, SQL):
 * without one it can neither take nor report work. Asks the kernel, so it needs no port on the worker.
 * usage: healthcheck.js [PID]   (default: the worker that process 1 runs, or process 1 itself)
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const ESTABLISHED = '01';

/** Inodes of established TCP sockets in the text of /proc/PID/net/tcp or tcp6. */
export function establishedInodes(table) {
  const rows = table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
  return new Set(rows.filter((row) => row[3] === ESTABLISHED).map((row) => row[9]));
}

/** Established TCP connections of a process. @throws Error when there is no such process */
export function connectionsOf(pid) {
  const established = new Set();
  for (const table of ['tcp', 'tcp6']) {
    try {
      for (const inode of establishedInodes(readFileSync(`/proc/${pid}/net/${table}`, 'utf8'))) established.add(inode);
    } catch (error) {
      if (table === 'tcp') throw error; // a machine without IPv6 has no tcp6
    }
  }
  let count = 0;
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    let target = '';
    try {
      target = readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      continue; // closed meanwhile
    }
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined && established.has(inode)) count += 1;
  }
  return count;
}

/** The first child of a process; itself where it has none, or the kernel does not tell. */
export function workerOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0] || String(pid);
  } catch {
    return String(pid);
  }
}

if (import.meta.main) {
  const pid = process.argv[2] ?? workerOf(1);
  try {
    const count = connectionsOf(pid);
    process.stdout.write(`process ${pid}: ${count} connections\n`);
    process.exit(count > 0 ? 0 : 1);
  } catch (error) {
    process.stdout.write(`process ${pid}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}
