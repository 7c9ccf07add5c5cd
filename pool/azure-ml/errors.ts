/** Errors of the management API as ours: what was done, with which resource, and whether trying again can help. */
import { isRestError } from '@azure/core-rest-pipeline';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';

/** What to do about cores that the subscription does not have. */
export const QUOTA_REMEDY =
  'Ask for cores of this machine size, or of low-priority machines, in this region: Azure portal, Quotas, ' +
  'Machine Learning (https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas). ' +
  'It goes on by itself once they are granted.';

/** Asked to wait, without a word on how long. */
const DEFAULT_RETRY_AFTER_MS = 30_000;

export const statusCode = (error: unknown): number | undefined => (isRestError(error) ? error.statusCode : undefined);

/** @returns `POOL_THROTTLED` (cause has `retryAfterMs`), `POOL_UNAVAILABLE` (both retryable), `POOL_REFUSED` */
export function armError(error: unknown, doing: string): FleetscoreError {
  if (error instanceof FleetscoreError) return error;
  const status = statusCode(error);
  const code = isRestError(error) ? error.code : undefined;
  const text = `${doing}: ${code ? `${code}: ` : ''}${messageOf(error).split('\n')[0]!.slice(0, 300)}`;
  if (status === 429) {
    const retryAfterMs = retryAfter(isRestError(error) ? error.response?.headers.get('retry-after') : undefined);
    return new FleetscoreError('POOL_THROTTLED', `Azure asks to wait ${Math.ceil(retryAfterMs / 1_000)} s (${text}).`, {
      retryable: true,
      cause: { retryAfterMs },
    });
  }
  if (status === undefined || status === 408 || status >= 500)
    return new FleetscoreError('POOL_UNAVAILABLE', `Azure Machine Learning does not answer as it should (${text}).`, {
      retryable: true,
      cause: error,
    });
  const remedy = remedyFor(status, code, text);
  return new FleetscoreError('POOL_REFUSED', `Azure Machine Learning refuses (${text}).${remedy}`, { cause: error });
}

/** Roles are those of deploy/bicep/custom-roles.bicep; quota is asked for by people, and may take days. */
function remedyFor(status: number, code: string | undefined, text: string): string {
  if (code === 'LinkedAuthorizationFailed')
    return (
      ' Give the identity of this process Managed Identity Operator on the identity of the nodes, and the ' +
      'right to join their subnet.'
    );
  if (status === 401 || status === 403)
    return (
      ' Give the identity of this process the role "fleetscore pool operator" ' +
      '(deploy/bicep/custom-roles.bicep) on the workspace. Where deploy/ made the workspace, `azd provision` ' +
      'makes the cluster, as soon as there is quota for it.'
    );
  if (/quota/i.test(text)) return ` ${QUOTA_REMEDY}`;
  return '';
}

function retryAfter(header: string | undefined): number {
  if (header === undefined) return DEFAULT_RETRY_AFTER_MS;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1_000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? DEFAULT_RETRY_AFTER_MS : Math.max(0, at - Date.now());
}
