/** A batch on record from its start on, so that nothing that happens to it later goes unseen. */
import type { BatchDeps } from './deps.ts';
import { defined } from '../domain/defined.ts';
import type { BatchKind } from '../storage/store.ts';
import type { AnnounceInput } from '../workflows/activities.ts';

/** Columns of the store, characters. */
const MAX_RELEASE_ASKED = 400;
const MAX_BATCH_ASKED = 128;

export async function announceBatch({ store, codeVersion, now }: BatchDeps, input: AnnounceInput): Promise<void> {
  const { batchId, workflowId, runId, fromMs, toMs, schedule, release, redrive } = input;
  await store.announceBatch({
    id: batchId,
    workflowId,
    runId,
    kind: kindOf(input),
    fromMs,
    toMs,
    codeVersion,
    startedAtMs: now(),
    // There is no release and no batch of a longer name: that is told when the batch is planned, and has to be on
    // record then.
    ...defined({
      schedule,
      release: release?.slice(0, MAX_RELEASE_ASKED),
      supersedes: redrive?.slice(0, MAX_BATCH_ASKED),
    }),
  });
}

function kindOf({ redrive, rescore }: AnnounceInput): BatchKind {
  if (redrive !== undefined) return 'redrive';
  return rescore ? 'rescore' : 'score';
}
