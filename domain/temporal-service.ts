/**
 * Numbers and times as Temporal's service has them, for calls that its SDK hands on as they are: gRPC's status codes
 * (grpc.io, "Status codes and their use in gRPC"), enumerations and times of protobuf.
 */

export const GRPC = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** Whether a call of the service failed with this status. */
export const hasStatus = (error: unknown, status: keyof typeof GRPC): boolean =>
  (error as { readonly code?: unknown } | undefined)?.code === GRPC[status];

/** temporal.api.enums.v1.TaskQueueType */
export const QUEUE_TYPE = { workflow: 1, activity: 2 } as const;

/** temporal.api.enums.v1.WorkerStatus */
export const WORKER_RUNNING = 1;

/** google.protobuf.Timestamp, or Duration. */
export type ProtoTime = { readonly seconds?: unknown; readonly nanos?: number | null } | null | undefined;

/** In whole milliseconds; 0 where there is none. */
export const msOf = (time: ProtoTime): number =>
  Math.round(Number(time?.seconds ?? 0) * 1_000 + (time?.nanos ?? 0) / 1e6);
