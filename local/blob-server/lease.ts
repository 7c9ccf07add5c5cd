/** Leases of blobs: acquire, renew, change, release, break. A lease is kept with its blob and survives restarts. */
import { randomUUID } from 'node:crypto';
import { invalid, ServiceError } from './errors.ts';
import { numberHeader, type BlobAnswer, type BlobRequest } from './request.ts';
import type { BlobRow } from './rows.ts';

export interface Lease {
  readonly id: string;
  /** Seconds; -1 without end. */
  readonly seconds: number;
  /** Epoch ms; absent for a lease without end. */
  readonly untilMs?: number;
  /** Being broken: it cannot be renewed any more. */
  readonly breaking?: boolean;
}

const leaseOf = (blob: BlobRow): Lease | undefined =>
  blob.lease === null ? undefined : (JSON.parse(blob.lease) as Lease);

/** The lease that holds now. */
export function activeLease(blob: BlobRow, nowMs: number): Lease | undefined {
  const lease = leaseOf(blob);
  return lease && (lease.untilMs === undefined || lease.untilMs > nowMs) ? lease : undefined;
}

export function leaseHeaders(blob: BlobRow, nowMs: number): Record<string, string> {
  const lease = activeLease(blob, nowMs);
  if (!lease) return { 'x-ms-lease-status': 'unlocked', 'x-ms-lease-state': leaseOf(blob) ? 'expired' : 'available' };
  return {
    'x-ms-lease-status': 'locked',
    'x-ms-lease-state': lease.breaking ? 'breaking' : 'leased',
    ...(lease.breaking ? {} : { 'x-ms-lease-duration': lease.seconds === -1 ? 'infinite' : 'fixed' }),
  };
}

export interface LeaseChange {
  readonly lease: Lease | undefined;
  readonly answer: BlobAnswer;
}

const conflict = (code: string, message: string): ServiceError => new ServiceError(409, code, message);

/** What a `comp=lease` makes of a blob's lease. @throws ServiceError */
export function changeLease(request: BlobRequest, blob: BlobRow, nowMs: number): LeaseChange {
  const action = request.header('x-ms-lease-action');
  const given = request.header('x-ms-lease-id')?.toLowerCase();
  const proposed = request.header('x-ms-proposed-lease-id')?.toLowerCase();
  const now = activeLease(blob, nowMs);
  const holder = (): Lease => {
    const lease = leaseOf(blob);
    if (!lease || lease.id !== given)
      throw conflict(
        'LeaseIdMismatchWithLeaseOperation',
        'The lease ID specified did not match the lease ID for the blob.',
      );
    return lease;
  };
  switch (action) {
    case 'acquire':
      return acquire(numberHeader(request, 'x-ms-lease-duration') ?? -1, now, proposed, nowMs);
    case 'renew': {
      const lease = holder();
      if (lease.breaking)
        throw conflict('LeaseIsBrokenAndCannotBeRenewed', 'The lease has been broken and cannot be renewed.');
      return held({ ...lease, ...until(lease.seconds, nowMs) }, 200);
    }
    case 'change':
      if (proposed === undefined) throw invalid('MissingRequiredHeader', 'x-ms-proposed-lease-id is missing.');
      return held({ ...holder(), id: proposed }, 200);
    case 'release':
      holder();
      return { lease: undefined, answer: { status: 200 } };
    case 'break':
      return breakLease(numberHeader(request, 'x-ms-lease-break-period'), now, nowMs);
    default:
      throw invalid('InvalidHeaderValue', 'x-ms-lease-action is acquire, renew, change, release or break.');
  }
}

function acquire(seconds: number, now: Lease | undefined, proposed: string | undefined, nowMs: number): LeaseChange {
  if (seconds !== -1 && (seconds < 15 || seconds > 60))
    throw invalid('InvalidHeaderValue', 'x-ms-lease-duration is -1, or 15 to 60 seconds.');
  if (now && now.id !== proposed) throw conflict('LeaseAlreadyPresent', 'There is already a lease present.');
  return held({ id: proposed ?? randomUUID(), seconds, ...until(seconds, nowMs) }, 201);
}

/** @param period seconds until it is broken; absent: at once for a lease without end, else what is left of it */
function breakLease(period: number | undefined, now: Lease | undefined, nowMs: number): LeaseChange {
  if (!now) throw conflict('LeaseNotPresentWithLeaseOperation', 'There is currently no lease on the blob.');
  const left = now.untilMs === undefined ? Infinity : Math.ceil((now.untilMs - nowMs) / 1_000);
  const seconds = Math.min(period ?? (left === Infinity ? 0 : left), left);
  return {
    lease: seconds === 0 ? undefined : { ...now, breaking: true, untilMs: nowMs + seconds * 1_000 },
    answer: { status: 202, headers: { 'x-ms-lease-time': seconds } },
  };
}

const held = (lease: Lease, status: number): LeaseChange => ({
  lease,
  answer: { status, headers: { 'x-ms-lease-id': lease.id } },
});

const until = (seconds: number, nowMs: number): { readonly untilMs?: number } =>
  seconds === -1 ? {} : { untilMs: nowMs + seconds * 1_000 };
