/** Who calls the command, for logs of changes: `login@machine`. */
import { hostname, userInfo } from 'node:os';

export function whoami(): string {
  return `${login()}@${hostname()}`;
}

/** A container's user often has a number and no name. */
function login(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
