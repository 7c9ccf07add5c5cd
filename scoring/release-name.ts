/** Names of releases. */
import { FleetscoreError } from '../domain/errors.ts';
import { compactTime } from '../domain/time.ts';

/** The name asked for, or a free one. @throws FleetscoreError `INVALID_RELEASE` */
export function releaseName(release: string | undefined, nowMs: number, taken: ReadonlySet<string>): string {
  const name = release ?? freeName(`r-${compactTime(nowMs)}`, taken);
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) && name !== 'current') return name;
  throw new FleetscoreError(
    'INVALID_RELEASE',
    `the release name ${JSON.stringify(name)} cannot be taken. ` +
      'Use 1 to 64 letters, digits, dots, dashes and underscores, other than "current".',
  );
}

function freeName(base: string, taken: ReadonlySet<string>): string {
  let name = base;
  for (let i = 2; taken.has(name); i++) name = `${base}-${i}`;
  return name;
}
