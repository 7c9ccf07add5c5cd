/** How the workflow of a batch ended, as Temporal tells it. Histories are kept for a time only: it may not know. */
import { isGrpcServiceError, WorkflowFailedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { BatchResult } from '../workflows/activities.ts';
import { messageOf } from '../domain/errors.ts';

export type WorkflowEnd =
  | {
      readonly state: 'completed' | 'failed' | 'cancelled' | 'running' | 'other';
      readonly name: string;
      readonly result?: BatchResult;
    }
  | { readonly state: 'unknown'; readonly reason: string };

/** A workflow ends a moment after its batch is closed. */
const LOOKS = 20;
const LOOK_EVERY_MS = 250;

/** @param closed whether its batch is: then a workflow that runs is about to end, and is waited for */
export async function workflowEnd(
  client: Client,
  workflowId: string,
  runId: string,
  closed: boolean,
): Promise<WorkflowEnd> {
  try {
    const handle = client.workflow.getHandle(workflowId, runId);
    let { status } = await handle.describe();
    for (let i = 0; closed && status.name === 'RUNNING' && i < LOOKS; i++) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      ({ status } = await handle.describe());
    }
    const name = status.name.toLowerCase().replaceAll('_', ' ');
    if (status.name === 'RUNNING') return { state: 'running', name };
    if (status.name === 'CANCELLED') return { state: 'cancelled', name };
    if (status.name === 'COMPLETED')
      return { state: 'completed', name, result: (await handle.result()) as BatchResult };
    if (status.name !== 'FAILED') return { state: 'other', name };
    const result = await resultOfFailure(handle.result());
    return { state: 'failed', name, ...(result ? { result } : {}) };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      return { state: 'unknown', reason: 'Temporal does not keep this workflow any more' };
    if (isGrpcServiceError(error))
      return { state: 'unknown', reason: `Temporal does not answer (${messageOf(error)})` };
    throw error;
  }
}

/** A batch past its tolerated failures carries its result in its failure. */
async function resultOfFailure(result: Promise<unknown>): Promise<BatchResult | undefined> {
  try {
    await result;
    return undefined;
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const { cause } = error;
    return cause instanceof ApplicationFailure && cause.type === 'BatchFailed'
      ? (cause.details?.[0] as BatchResult | undefined)
      : undefined;
  }
}
