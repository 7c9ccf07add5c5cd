/** `--tls-cert` and `--tls-key` of commands that serve. */
import { readFileSync } from 'node:fs';
import { FleetscoreError } from '../../domain/errors.ts';
import { whyUnreadable } from '../../domain/unreadable.ts';

export function readTls({
  tlsCert,
  tlsKey,
}: {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}): { cert: string; key: string } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new FleetscoreError('INVALID_ARGUMENT', '--tls-cert and --tls-key go together: give both.');
  const file = (path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw new FleetscoreError('INVALID_ARGUMENT', `${path} cannot be read: ${whyUnreadable(error)}.`, {
        cause: error,
      });
    }
  };
  return { cert: file(tlsCert), key: file(tlsKey) };
}
