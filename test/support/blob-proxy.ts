/**
 * A proxy on loopback in front of a blob server, that answers as a storage account in trouble does: refusals,
 * throttling, slow answers, connections that break before or in the middle of an answer.
 */
import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type BlobFault =
  | { readonly kind: 'status'; readonly status: 429 | 500 | 503; readonly retryAfterSeconds?: number }
  | { readonly kind: 'slow'; readonly ms: number }
  /** The request gets through, the answer does not. */
  | { readonly kind: 'answer lost' }
  /** The connection breaks before the request gets through. */
  | { readonly kind: 'reset' };

/** What happens to a request; undefined: nothing. */
export type FaultPlan = (request: { readonly method: string; readonly path: string }) => BlobFault | undefined;

export interface BlobProxy {
  readonly port: number;
  /** Replaces the plan; none: everything gets through. */
  plan(plan?: FaultPlan): void;
  /** Faults since the start, by kind; `status` by its number. */
  readonly faults: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

export async function startBlobProxy(targetPort: number): Promise<BlobProxy> {
  let plan: FaultPlan | undefined;
  const faults = new Map<string, number>();

  const forward = async (request: IncomingMessage, response: ServerResponse, loseAnswer: boolean): Promise<void> => {
    const upstream = send({
      host: '127.0.0.1',
      port: targetPort,
      method: request.method,
      path: request.url,
      headers: request.headers,
    });
    upstream.on('error', () => response.destroy());
    upstream.on('response', (answer) => {
      if (loseAnswer) {
        answer.resume().on('close', () => request.socket.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    request.pipe(upstream);
  };

  const server = createServer((request, response) => {
    void (async () => {
      const fault = plan?.({ method: request.method ?? '', path: request.url ?? '' });
      if (fault) {
        const name = fault.kind === 'status' ? String(fault.status) : fault.kind;
        faults.set(name, (faults.get(name) ?? 0) + 1);
      }
      if (fault?.kind === 'reset') request.socket.destroy();
      else if (fault?.kind === 'status') {
        request.resume();
        const code = fault.status === 500 ? 'InternalError' : 'ServerBusy';
        response.writeHead(fault.status, {
          'content-type': 'application/xml',
          'x-ms-error-code': code,
          ...(fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) }),
        });
        response.end(
          `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>The server is busy.</Message></Error>`,
        );
      } else {
        if (fault?.kind === 'slow') await sleep(fault.ms);
        await forward(request, response, fault?.kind === 'answer lost');
      }
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    plan: (next) => void (plan = next),
    faults,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
