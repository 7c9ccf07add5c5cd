/**
 * What the pages are made from. Connections are opened when a page first needs them; one that fails is tried again by
 * the next page, so the application outlives every restart of what it shows.
 */
import type { Client } from '@temporalio/client';
import type { Config, Env } from '../config.ts';
import { connectIfThere } from '../connect/temporal.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { openStore } from '../storage/open-store.ts';
import type { Store } from '../storage/store.ts';

export interface UiDeps {
  readonly config: Config;
  /** @throws FleetscoreError `STORE_MISSING`, `STORE_UNAVAILABLE`, `SCHEMA_OLD`, `SCHEMA_TOO_NEW` */
  readonly store: () => Promise<Store>;
  /** @throws FleetscoreError `NOT_CONFIGURED` */
  readonly blobs: () => Promise<BlobStore>;
  /** @throws FleetscoreError `TEMPORAL_UNAVAILABLE`, `NO_STACK` */
  readonly client: () => Promise<Client>;
  /** Page of a workflow in Temporal's Web UI; undefined when its address is not known. */
  readonly workflowPage: (workflowId: string, runId?: string) => string | undefined;
  readonly now: () => number;
}

export interface OpenDeps extends UiDeps {
  close(): Promise<void>;
}

/** Longest wait for a store that is locked or away. */
const STORE_WAIT_MS = 5_000;
/** Longest wait for an answer of Temporal: a page says so rather than hang. */
const TEMPORAL_WAIT_MS = 5_000;

export function openDeps(config: Config, env: Env, workflowPage: UiDeps['workflowPage'], named: boolean): OpenDeps {
  const store = again(async () => {
    const opened = await openStore(config.sqlUrl, { create: false, waitMs: STORE_WAIT_MS });
    try {
      await opened.checkSchema();
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  });
  const client = again(async () => {
    if (named) return connectIfThere(env, TEMPORAL_WAIT_MS);
    throw new FleetscoreError(
      'NO_STACK',
      'no Temporal server is named. Start the laptop stack with `fleetscore up`, or name a server with ' +
        'TEMPORAL_ADDRESS.',
    );
  });
  const blobs = again(async () => (await import('../connect/blob-storage.ts')).openBlobs(config));
  return {
    config,
    store: store.get,
    blobs: blobs.get,
    client: client.get,
    workflowPage,
    now: Date.now,
    async close() {
      await Promise.allSettled([
        store.opened()?.then((one) => one.close()),
        client.opened()?.then((one) => one.connection.close()),
      ]);
    },
  };
}

interface Again<T> {
  readonly get: () => Promise<T>;
  readonly opened: () => Promise<T> | undefined;
}

/** Opened once; a try that failed is forgotten. */
function again<T>(open: () => Promise<T>): Again<T> {
  let opened: Promise<T> | undefined;
  return {
    opened: () => opened,
    get: () =>
      (opened ??= open().catch((error: unknown) => {
        opened = undefined;
        throw error;
      })),
  };
}
