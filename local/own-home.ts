/**
 * Whether a home was made here. A checkout or an archive of somebody else may bring a folder `.fleetscore` along:
 * programs that commands would run, addresses they would ask, keys that its author knows. A home says in a file which
 * folder it is by the number and the time of birth that this system gave it: nobody who packs one elsewhere knows them
 * beforehand.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FleetscoreError } from '../domain/errors.ts';

const FILE = 'made-here';

const identity = (home: string): { readonly inode: string; readonly born: string } => {
  const { ino, birthtimeNs } = statSync(home, { bigint: true });
  return { inode: String(ino), born: String(birthtimeNs) };
};

/** Writes down that this home is one of this machine. A home that cannot be written is not: nothing is lost by it. */
export function recordHome(home: string): void {
  try {
    if (madeHere(home)) return;
    const before = identity(home);
    const file = join(home, FILE);
    writeFileSync(file, `${before.inode} ${before.born}\n`, { mode: 0o600 });
    // A file system that keeps no time of birth gives that of the last change, which was now.
    const { inode, born } = identity(home);
    if (born !== before.born) writeFileSync(file, `${inode} -\n`);
  } catch {
    // Whoever works there next is told.
  }
}

function madeHere(home: string): boolean {
  try {
    const [inode, born] = readFileSync(join(home, FILE), 'utf8').trim().split(' ');
    const own = identity(home);
    return inode === own.inode && (born === '-' || born === own.born);
  } catch {
    return false;
  }
}

/** Whether there is nothing at a place that could be somebody else's. */
export function isUnmade(home: string): boolean {
  try {
    return readdirSync(home).length === 0;
  } catch {
    return true; // no folder: whoever wants one there is told
  }
}

/**
 * For a home that nobody named and that lies in the folder where a command was started.
 * @throws FleetscoreError `HOME_FOREIGN`
 */
export function refuseForeignHome(home: string): void {
  if (madeHere(home) || isUnmade(home)) return;
  throw new FleetscoreError(
    'HOME_FOREIGN',
    `${home} was not made here, or by an older fleetscore: a home that came with somebody else's files may ` +
      'hold programs and addresses of theirs, so nothing in it is used. ' +
      `If it is yours, name it once with \`fleetscore up --home ${home}\`; ` +
      'otherwise remove it, or set FLEETSCORE_HOME to another folder.',
  );
}
