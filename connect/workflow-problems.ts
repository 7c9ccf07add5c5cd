/**
 * Workflows whose tasks fail again and again: Temporal tries them for ever, and calls them running meanwhile. It
 * sets the search attribute TemporalReportedProblems on them, after five attempts (about a minute; seen on 1.32).
 */
import type { Client } from '@temporalio/client';

export interface StuckWorkflow {
  readonly workflowId: string;
  readonly runId: string;
  readonly type: string;
  /** As the server says it, without its prefixes: `WorkflowTaskFailed: BadSearchAttributes`. */
  readonly problem: string;
}

const MOST = 20;

/** Empty on a server that reports no problems. @throws what the Temporal client throws when it does not answer */
export async function stuckWorkflows(client: Client): Promise<StuckWorkflow[]> {
  const found: StuckWorkflow[] = [];
  const query = `TemporalReportedProblems IS NOT NULL AND ExecutionStatus = 'Running'`;
  try {
    for await (const { workflowId, runId, type, searchAttributes } of client.workflow.list({ query, pageSize: MOST })) {
      found.push({ workflowId, runId, type, problem: problemOf(searchAttributes['TemporalReportedProblems']) });
      if (found.length >= MOST) break;
    }
  } catch (error) {
    if (!isUnknownAttribute(error)) throw error;
  }
  return found;
}

/** The server gives `category=WorkflowTaskFailed` and `cause=WorkflowTaskFailedCauseBadSearchAttributes`. */
function problemOf(values: unknown): string {
  const parts = (Array.isArray(values) ? values : [values]).map(String);
  const part = (name: string): string | undefined =>
    parts.find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1);
  const [category, cause] = [part('category'), part('cause')];
  if (category === undefined) return parts.join(', ');
  return cause === undefined ? category : `${category}: ${cause.replace(/^(?:WorkflowTask\w*?Cause)/, '')}`;
}

/** An older server refuses a query by a name that it does not know. */
function isUnknownAttribute(error: unknown): boolean {
  const text = `${String(error)} ${String((error as { cause?: unknown } | undefined)?.cause)}`;
  return /TemporalReportedProblems/.test(text) && /INVALID_ARGUMENT|invalid (?:query|search attribute)/i.test(text);
}

/** What to do about one, in a sentence. */
export const STUCK_REMEDY =
  'its task fails again and again: the log of the control workers says why (fleetscore logs --worker control ' +
  '--level warn); a newer version may mend it, or end it: fleetscore batch cancel, temporal ' +
  'workflow terminate';
