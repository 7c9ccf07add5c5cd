/**
 * The log of promotions: which release became current, when, by whom, how. A rollback undoes the newest promotion that
 * was not undone yet, so two of them go two promotions back, and a release that nobody promoted is never reached.
 */
import { FleetscoreError } from '../domain/errors.ts';

export interface Promotion {
  readonly release: string;
  /** `seen`: it was found current, and by whom it became so was not noted: a version that kept no log. */
  readonly how: 'publish' | 'promote' | 'rollback' | 'seen';
  /** Login and machine; empty where it was not noted. */
  readonly by: string;
  readonly atMs: number;
}

/** What a change of the current release did. */
export interface ReleaseSwitch {
  readonly release: string;
  /** Current until then; the same one when nothing changed. Absent when there was none. */
  readonly before?: string;
  /** It was the challenger, and is so no more: no release is compared with itself. */
  readonly wasChallenger: boolean;
}

/** Entries of the log that a rollback looks at; older promotions are out of its reach. */
export const MAX_PROMOTIONS = 1_000;

/** Whether the log says what is current: not where a version that keeps no log has changed it. */
export const isNoted = (log: readonly Promotion[], current: string): boolean => standing(log)[0] === current;

/**
 * The release that a rollback makes current.
 * @param log newest first
 * @throws FleetscoreError `NO_RELEASE`, `NOTHING_BEFORE`
 */
export function releaseBefore(log: readonly Promotion[], current: string | undefined): string {
  if (current === undefined)
    throw new FleetscoreError(
      'NO_RELEASE',
      'no release is current, so there is none to go back from. Run `fleetscore models publish DIR`.',
    );
  const releases = standing(log);
  const before = releases[0] === current ? releases[1] : releases[0];
  if (before === undefined)
    throw new FleetscoreError(
      'NOTHING_BEFORE',
      `no release is known to have been current before ${current}. ` +
        `Choose one of \`fleetscore models list\`: fleetscore models promote NAME`,
    );
  return before;
}

/** Releases whose promotion was not undone, the current one first. */
function standing(log: readonly Promotion[]): string[] {
  const releases: string[] = [];
  let undone = 0;
  for (const { release, how } of log)
    if (how === 'rollback') undone += 1;
    else if (undone > 0) undone -= 1;
    else releases.push(release);
  return releases;
}
