/** Logs of failed sensors are a help, not a promise: one that is missing is a note. */
import { CONTAINERS, errorLogBlob } from '../domain/blob-names.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Batch, Store } from '../storage/store.ts';
import type { Findings } from './findings.ts';

/** Failed sensors looked at: each is a request to Blob. */
const LOOKED_AT = 200;

export async function noteMissingLogs(
  { store, blobs }: { readonly store: Store; readonly blobs: BlobStore },
  batch: Batch,
  findings: Findings,
): Promise<void> {
  const failed = await store.listOutcomes(batch.id, { status: 'failed', limit: LOOKED_AT });
  let missing = 0;
  for (const outcome of failed)
    if (!(await blobs.exists(CONTAINERS.logs, errorLogBlob(batch.id, outcome)))) missing += 1;
  if (missing > 0)
    findings.note(
      `${missing} of the first ${failed.length} failed sensors have no log under logs/errors/${batch.id}/: ` +
        `\`fleetscore batch show\` has what happened`,
    );
}
