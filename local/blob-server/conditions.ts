/**
 * What a request demands of the blob as it is: conditional headers and leases. Which refusal has which status is
 * that of the REST reference ("Specifying conditional headers for Blob service operations", "Lease Blob").
 */
import { conditionNotMet, ServiceError } from './errors.ts';
import { activeLease } from './lease.ts';
import type { BlobRequest } from './request.ts';
import type { BlobRow } from './rows.ts';

export type Access = 'read' | 'write' | 'create';

/** @throws ServiceError 304, 404, 409 or 412 */
export function checkConditions(request: BlobRequest, blob: BlobRow | undefined, access: Access, nowMs: number): void {
  const match = request.header('if-match');
  const noneMatch = request.header('if-none-match');
  if (match !== undefined && !(blob && etagIn(match, blob.etag))) throw conditionNotMet();
  if (noneMatch !== undefined && blob && etagIn(noneMatch, blob.etag)) {
    if (access === 'read') throw new ServiceError(304, 'ConditionNotMet', 'Not modified.');
    if (noneMatch.trim() === '*' && access === 'create')
      throw new ServiceError(409, 'BlobAlreadyExists', 'The specified blob already exists.');
    throw conditionNotMet();
  }
  if (!blob) return;
  // HTTP dates have whole seconds.
  const seconds = Math.floor(blob.modified_ms / 1_000) * 1_000;
  const since = Date.parse(request.header('if-modified-since') ?? '');
  if (!Number.isNaN(since) && seconds <= since) {
    if (access === 'read') throw new ServiceError(304, 'ConditionNotMet', 'Not modified.');
    throw conditionNotMet();
  }
  const until = Date.parse(request.header('if-unmodified-since') ?? '');
  if (!Number.isNaN(until) && seconds > until) throw conditionNotMet();
  checkLease(request, blob, access, nowMs);
}

function etagIn(header: string, etag: string): boolean {
  return header
    .split(',')
    .some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '').replaceAll('"', '') === etag);
}

function checkLease(request: BlobRequest, blob: BlobRow, access: Access, nowMs: number): void {
  const given = request.header('x-ms-lease-id');
  const lease = activeLease(blob, nowMs);
  if (lease) {
    if (given === undefined && access !== 'read')
      throw new ServiceError(
        412,
        'LeaseIdMissing',
        'There is currently a lease on the blob and no lease ID was specified in the request.',
      );
    if (given !== undefined && given.toLowerCase() !== lease.id)
      throw new ServiceError(
        412,
        'LeaseIdMismatchWithBlobOperation',
        'The lease ID specified did not match the lease ID for the blob.',
      );
  } else if (given !== undefined)
    throw new ServiceError(412, 'LeaseNotPresentWithBlobOperation', 'There is currently no lease on the blob.');
}
