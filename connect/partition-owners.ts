/** Whether workers read the partitions of the configured hub, by the ownership that they keep in Blob. Reads only. */
import { BlobCheckpointStore } from '@azure/eventhubs-checkpointstore-blob';
import type { Config } from '../config.ts';
import { holdersOf, type Holder } from '../ingest/holders.ts';
import { INGEST_DEFAULTS } from '../ingest/settings.ts';
import { createStoreClock } from '../ingest/store-clock.ts';
import { checkpointContainer } from './blob-storage.ts';
import type { HubReader } from './partitions.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** A stranger on the consumer group cannot be seen from here. @throws what Blob throws */
export async function partitionHolders(
  config: Config,
  { hub }: Pick<HubReader, 'hub'>,
  partitions: readonly string[],
): Promise<ReadonlyMap<string, Holder>> {
  const container = checkpointContainer(config);
  const owned = await new BlobCheckpointStore(container).listOwnership(
    hub.namespace,
    hub.hub,
    config.eventHubs.consumerGroup,
  );
  const { ownershipTimeoutMs } = INGEST_DEFAULTS;
  return holdersOf(partitions, await createStoreClock(container, quiet)(owned), {
    nowMs: Date.now(),
    ownershipTimeoutMs,
  });
}
