/** A batch on record from its start on, so that nothing that happens to it later goes unseen. */
import type { BatchDeps } from './deps.ts';
import { defined } from '../domain/defined.ts';
import type { BatchKind } from '../storage/store.ts';
import type { AnnounceInput } from '../workflows/activities.ts';

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
    ...defined({ schedule, release, supersedes: redrive }),
  });
}

function kindOf({ redrive, rescore }: AnnounceInput): BatchKind {
  if (redrive !== undefined) return 'redrive';
  return rescore ? 'rescore' : 'score';
}
