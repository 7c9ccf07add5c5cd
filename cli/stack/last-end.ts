/** What a detached stack said when it ended: nobody was there to see it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ERROR_LINE = /^(\u001b\[\d+m)*error:(\u001b\[\d+m)* /;

/** Why the detached stack of a home ended, or did not start, the last time; undefined when it said nothing of that. */
export function lastEnd(home: string): string | undefined {
  try {
    return lastError(readFileSync(join(home, 'logs', 'stack.log'), 'utf8'));
  } catch {
    return undefined;
  }
}

/** What the process said last, when that was an error. */
export function lastError(log: string): string | undefined {
  const lines = log.trimEnd().split('\n');
  const from = lines.findLastIndex((line) => ERROR_LINE.test(line));
  return from < 0 ? undefined : lines.slice(from).join('\n').replace(ERROR_LINE, '');
}
