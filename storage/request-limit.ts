/**
 * The limit of every request of Azure's clients that is no request to Blob storage (blob-service.ts): management of
 * compute, telemetry. Their own `timeout` ends with the first byte of the answer; this one covers the body too.
 */
import { orAborted, stalledError, watchCall } from './deadline.ts';

/** As a policy of `@azure/core-rest-pipeline` sees a request and its answer, of which only this is touched. */
interface Request {
  abortSignal?: unknown;
}

export interface LimitPolicy {
  readonly name: string;
  sendRequest<Q extends Request, A>(request: Q, next: (request: Q) => Promise<A>): Promise<A>;
}

/** @param limitMs of one try, from its begin to the last byte of its answer */
export function requestLimit(limitMs: number): LimitPolicy {
  return {
    name: 'fleetscoreRequestLimit',
    async sendRequest(request, next) {
      const own = request.abortSignal;
      const watch = watchCall(limitMs, own as AbortSignal | undefined);
      request.abortSignal = watch.signal;
      try {
        return await orAborted(next(request), watch.signal);
      } catch (error) {
        throw watch.stalled ? stalledError(limitMs) : error;
      } finally {
        watch.done();
        request.abortSignal = own;
      }
    },
  };
}
