/** What the tests of the emulator share: running it, and reading from it with the official client. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  EventHubConsumerClient,
  EventHubProducerClient,
  type EventData,
  type MessagingError,
  type ReceivedEventData,
  type RetryOptions,
  type SubscribeOptions,
} from '@azure/event-hubs';
import {
  startEventHubsEmulator,
  type EventHubsEmulator,
  type EventHubsOptions,
} from '../../../local/event-hubs/emulator.ts';

type Closable = { close(): Promise<void> } | { stop(): Promise<void> };

const open: Closable[] = [];
const folders: string[] = [];

/** Closes what a test opened, newest first. */
export async function cleanUp(): Promise<void> {
  for (const item of open.splice(0).toReversed()) await ('close' in item ? item.close() : item.stop());
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fleetscore-test-'));
  folders.push(folder);
  return folder;
}

export async function emulator(options: Partial<EventHubsOptions> = {}): Promise<EventHubsEmulator> {
  const started = await startEventHubsEmulator({
    hubs: [{ name: 'readings', partitions: 2, consumerGroups: ['fleetscore'] }],
    ...options,
  });
  open.push(started);
  return started;
}

/** Clients that do not wait a minute after a failure. */
export const RETRY = { retryOptions: { maxRetries: 2, retryDelayInMs: 50, timeoutInMs: 10_000 } };

export function producer(connectionString: string, retryOptions: RetryOptions = {}): EventHubProducerClient {
  const client = new EventHubProducerClient(connectionString, {
    retryOptions: { ...RETRY.retryOptions, ...retryOptions },
  });
  open.push(client);
  return client;
}

export function consumer(connectionString: string, group = '$Default'): EventHubConsumerClient {
  const client = new EventHubConsumerClient(group, connectionString, RETRY);
  open.push(client);
  return client;
}

/** Numbered events. */
export function numbered(count: number, from = 0): EventData[] {
  return Array.from({ length: count }, (_, i) => ({ body: from + i }));
}

export type ReceiveOptions = SubscribeOptions & { readonly group?: string; readonly partition?: string };

/** Receives that many events of one partition; rejects with the first error. */
export async function receive(
  connectionString: string,
  count: number,
  options: ReceiveOptions = {},
): Promise<ReceivedEventData[]> {
  const { group, partition = '0', ...subscribeOptions } = options;
  const client = consumer(connectionString, group);
  const events: ReceivedEventData[] = [];
  await new Promise<void>((resolve, reject) => {
    const subscription = client.subscribe(
      partition,
      {
        processEvents: async (batch) => {
          events.push(...batch);
          if (events.length >= count) void subscription.close().then(resolve, reject);
        },
        processError: async (error) => reject(error),
      },
      { startPosition: { offset: '-1' }, maxBatchSize: 500, maxWaitTimeInSeconds: 1, ...subscribeOptions },
    );
  });
  return events;
}

/** A subscription that stays open, with what it got and what went wrong. */
export interface Watch {
  readonly events: ReceivedEventData[];
  readonly errors: string[];
  /** Waits until a condition on what came in holds. */
  until(holds: (watch: Watch) => boolean): Promise<void>;
  close(): Promise<void>;
}

export function watch(
  connectionString: string,
  options: ReceiveOptions & { readonly ownerLevel?: number } = {},
): Watch {
  const { group, partition = '0', ...subscribeOptions } = options;
  const client = consumer(connectionString, group);
  const waiting = new Set<() => void>();
  const changed = (): void => {
    for (const check of waiting) check();
  };
  const subscription = client.subscribe(
    partition,
    {
      processEvents: async (batch) => {
        self.events.push(...batch);
        changed();
      },
      processError: async (error) => {
        self.errors.push((error as MessagingError).code ?? error.name);
        changed();
      },
    },
    { startPosition: { offset: '-1' }, maxBatchSize: 100, maxWaitTimeInSeconds: 1, ...subscribeOptions },
  );
  const self: Watch = {
    events: [],
    errors: [],
    until: (holds) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!holds(self)) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
    close: () => subscription.close(),
  };
  return self;
}

export const bodies = (events: readonly ReceivedEventData[]): unknown[] => events.map((event): unknown => event.body);
export const sequences = (events: readonly ReceivedEventData[]): number[] =>
  events.map((event) => event.sequenceNumber);
