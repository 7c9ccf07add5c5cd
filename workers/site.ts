/** The site of the control worker: pages of a batch go to the container `site`. */
import type { Config } from '../config.ts';
import { blobTarget, publishSite, type Published } from '../report/index.ts';
import { decodePredictions } from '../scoring/predictions-file.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';
import { defined } from '../domain/defined.ts';
import { priceSourceOf } from '../pool/prices.ts';

/** Undefined when batches are to write no pages. */
export function siteOf(
  { site, pool }: Config,
  store: Store,
  blobs: BlobStore,
): ((batchId: string) => Promise<Published>) | undefined {
  if (!site.publish) return undefined;
  const source = { store, blobs, decodePredictions, now: Date.now, ...defined({ prices: priceSourceOf(pool) }) };
  return (batchId) => publishSite(source, blobTarget(blobs), [batchId], { maxSensors: site.maxSensors });
}
