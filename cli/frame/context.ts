/**
 * What a command works with: configuration (with the addresses of a running laptop stack below it), and the
 * connections it asks for, opened once and closed at its end.
 */
import type { Client } from '@temporalio/client';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { blobConfig, loadConfig, type Config, type Env } from '../../config.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { isUnmade, recordHome, refuseForeignHome } from '../../local/own-home.ts';
import { readStack, withStack } from '../../local/state.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { connectIfThere, namesServer, temporalTarget } from '../../connect/temporal.ts';
import { lazyBlobs } from './lazy-blobs.ts';
import { tell } from './terminal.ts';

export interface Context {
  readonly config: Config;
  readonly env: Env;
  readonly json: boolean;
  /**
   * The store as it is: no command changes its schema by looking. @throws FleetscoreError `STORE_MISSING`,
   * `SCHEMA_OLD`, `SCHEMA_TOO_NEW`
   */
  store(): Promise<Store>;
  /** As {@link store}, for commands that fill a store: one that is missing or empty is set up. */
  storeToFill(): Promise<Store>;
  /** @throws FleetscoreError `NOT_CONFIGURED` */
  blobs(): BlobStore;
  client(): Promise<Client>;
  /** Page of a workflow in the Web UI, or of all of the namespace; undefined when its address is not known. */
  uiLink(workflowId?: string, runId?: string): string | undefined;
  close(): Promise<void>;
}

export interface GlobalOptions {
  readonly json?: boolean;
  readonly home?: string;
}

/** @throws FleetscoreError `INVALID_CONFIG`, `HOME_FOREIGN` */
export function openContext(options: GlobalOptions, processEnv: Env = process.env): Context {
  const named = options.home ?? (processEnv.FLEETSCORE_HOME || undefined);
  const home = resolve(named ?? '.fleetscore');
  if (named === undefined) refuseForeignHome(home);
  // What is in it at the end was put there by this command.
  const unmade = isUnmade(home);
  const env = withStack({ ...processEnv, FLEETSCORE_HOME: home }, home);
  const config = loadConfig(env);
  let store: Promise<Store> | undefined;
  let client: Promise<Client> | undefined;
  return {
    config,
    env,
    json: options.json ?? false,
    store: () => (store ??= openCurrent(config.sqlUrl, false, notice(options))),
    storeToFill: () => (store ??= openCurrent(config.sqlUrl, true, notice(options))),
    blobs() {
      blobConfig(config);
      return lazyBlobs(async () => (await import('../../connect/blob-storage.ts')).openBlobs(config));
    },
    // A failed try is not kept: who looks again and again finds a server that has come since.
    client: () =>
      (client ??= connectTo(env, home).catch((error: unknown) => {
        client = undefined;
        throw error;
      })),
    uiLink(workflowId, runId) {
      const ui = env.TEMPORAL_UI_URL ?? readStack(home)?.ui;
      if (ui === undefined) return undefined;
      const all = `${ui}/namespaces/${encodeURIComponent(temporalTarget(env).namespace)}/workflows`;
      if (workflowId === undefined) return all;
      return `${all}/${encodeURIComponent(workflowId)}${runId === undefined ? '' : `/${runId}/timeline`}`;
    },
    async close() {
      if (unmade && !isUnmade(home)) recordHome(home);
      await Promise.allSettled([store?.then((s) => s.close()), client?.then((c) => c.connection.close())]);
    },
  };
}

/** A server of somebody else may listen on the default port: it is asked only when it is named. */
async function connectTo(env: Env, home: string): Promise<Client> {
  if (!namesServer(env))
    throw new FleetscoreError(
      'NO_STACK',
      (existsSync(join(home, 'data'))
        ? `the laptop stack of ${home} does not run`
        : `there is no laptop stack in ${home}`) +
        `. Start it with \`fleetscore up\`, name the folder of another with --home, or the Temporal server of ` +
        'a deployment with TEMPORAL_ADDRESS.',
    );
  return connectIfThere(env);
}

/** A word on stderr while a command waits, where people read. */
export const notice =
  (options: GlobalOptions) =>
  (text: string): void =>
    void (options.json || tell(text));

async function openCurrent(url: string, fill: boolean, onWait: (text: string) => void): Promise<Store> {
  const store = await openStore(url, { create: fill, onWait });
  try {
    const empty = fill && (await store.migrationStatus()).every(({ appliedAtMs }) => appliedAtMs === undefined);
    if (empty) await store.migrate();
    await store.checkSchema();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
