/** Why a file that a person named cannot be read, in words: Node says `EISDIR: illegal operation on a directory`. */
import { messageOf } from './errors.ts';

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'what lies above it is a file',
  EISDIR: 'it is a folder, and a file is wanted',
  EACCES: 'this user has no right to it',
  EPERM: 'this user has no right to it',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'its name is longer than the system allows',
};

/** Without a full stop at its end. */
export function whyUnreadable(error: unknown): string {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return WHY[code ?? ''] ?? messageOf(error).replace(/\.$/, '');
}
