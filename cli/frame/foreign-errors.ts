/** Errors of Temporal's client and of the file system in words of ours; every other one stays as it is. */
import { clientTrouble } from '../../connect/temporal-trouble.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { folderProblem } from '../../storage/folders.ts';

export function toldInOurWords(error: unknown): unknown {
  const trouble = clientTrouble(error);
  if (trouble) return trouble;
  const { path, code } = error as NodeJS.ErrnoException;
  if (typeof path !== 'string' || error instanceof FleetscoreError) return error;
  const wrong = (what: string): FleetscoreError => new FleetscoreError('FILE', what, { cause: error });
  if (code === 'ENOENT') return wrong(`there is no ${path}. Check the path.`);
  if (code === 'EISDIR') return wrong(`${path} is a folder, and a file is wanted. Name a file in it.`);
  if (code === 'ENOTDIR') return wrong(`${path} is no folder, or lies below a file. Check the path.`);
  if (code === 'EACCES' || code === 'EPERM')
    return wrong(`this user has no right to ${path} (${code}). Take the right, or name another place.`);
  return folderProblem(path, error);
}
