/**
 * A worker that runs while the store is migrated by a newer version: it looks once a minute, goes on where the schema
 * says that it may, and drains and ends where it may not. What it must not commit in between the store refuses.
 */
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { Store } from '../storage/store.ts';
import type { Life } from './lifecycle.ts';

const EVERY_MS = 60_000;

export interface SchemaWatch {
  /** Resolves when the schema has become too new for this code. */
  readonly outgrown: Promise<FleetscoreError>;
  /** Stops looking. @throws the error with which {@link outgrown} resolved */
  stop(): void;
}

export function watchSchema(
  store: Pick<Store, 'checkSchema'>,
  { log }: Pick<Life, 'log'>,
  everyMs = EVERY_MS,
): SchemaWatch {
  let found: FleetscoreError | undefined;
  let timer: NodeJS.Timeout | undefined;
  const outgrown = new Promise<FleetscoreError>((resolve) => {
    timer = setInterval(() => {
      store.checkSchema().catch((error: unknown) => {
        if (!(error instanceof FleetscoreError && error.code === 'SCHEMA_TOO_NEW')) {
          // A store that is away for a moment is the business of those who need it now.
          log.debug({ err: error }, `the schema cannot be looked at: ${messageOf(error)}`);
          return;
        }
        clearInterval(timer);
        found ??= error;
        log.error({ code: error.code }, error.message);
        resolve(error);
      });
    }, everyMs).unref();
  });
  return {
    outgrown,
    stop() {
      clearInterval(timer);
      if (found) throw found;
    },
  };
}
