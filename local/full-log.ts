/**
 * Servers of the stack write their logs to files of their own. On a full disk such a write fails, and Node ends a
 * process whose output fails unless somebody listens: a server must go on, and answer that there is no room.
 */

/** Lets a process outlive its log: lines that cannot be written are lost, nothing else. */
export function outliveLog(streams: readonly NodeJS.WriteStream[] = [process.stdout, process.stderr]): void {
  for (const stream of streams) stream.on('error', () => undefined);
}
