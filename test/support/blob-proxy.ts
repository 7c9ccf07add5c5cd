/**
 * A proxy on loopback in front of a blob server, that answers as a storage account in trouble does: refusals,
 * throttling, slow answers, connections that break before or in the middle of an answer.
 */
import {
  createServer,
  request as send,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type BlobFault =
  | {
      readonly kind: 'status';
      readonly status: number;
      /** The service's error code; one that fits the status when absent. */
      readonly code?: string;
      readonly retryAfterSeconds?: number;
      readonly headers?: Readonly<Record<string, string>>;
      /** In place of the service's XML. */
      readonly body?: string;
    }
  | { readonly kind: 'slow'; readonly ms: number }
  /** The request gets through, the answer does not. */
  | { readonly kind: 'answer lost' }
  /** The connection breaks before the request gets through. */
  | { readonly kind: 'reset' }
  /** The request is taken and never answered. */
  | { readonly kind: 'black hole' }
  /** The answer begins, and ends after so many bytes: the connection breaks, or nothing more comes. */
  | { readonly kind: 'cut' | 'hang'; readonly after: number }
  /** The body of the answer comes byte by byte, one each so many ms. */
  | { readonly kind: 'drip'; readonly ms: number }
  /** The answer is changed on its way. */
  | { readonly kind: 'changed'; readonly change: (body: Buffer) => Buffer };

/** What happens to a request; undefined: nothing. */
export type FaultPlan = (request: ProxiedRequest) => BlobFault | undefined;

export interface ProxiedRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface BlobProxy {
  readonly port: number;
  /** Replaces the plan; none: everything gets through. */
  plan(plan?: FaultPlan): void;
  /** Faults since the start, by kind; `status` by its number. */
  readonly faults: ReadonlyMap<string, number>;
  /** Requests since the start. */
  readonly requests: readonly ProxiedRequest[];
  /** Longest time that whoever made a request waited for one that got no answer, ms. */
  longestWaitMs(): number;
  stop(): Promise<void>;
}

export async function startBlobProxy(targetPort: number): Promise<BlobProxy> {
  let plan: FaultPlan | undefined;
  const faults = new Map<string, number>();
  const requests: ProxiedRequest[] = [];
  const waiting = new Set<number>();
  let longestMs = 0;

  const forward = async (request: IncomingMessage, response: ServerResponse, fault?: BlobFault): Promise<void> => {
    const upstream = send({
      host: '127.0.0.1',
      port: targetPort,
      method: request.method,
      path: request.url,
      headers: request.headers,
    });
    upstream.on('error', () => response.destroy());
    upstream.on('response', (answer) => {
      if (fault?.kind === 'answer lost') {
        answer.resume().on('close', () => request.socket.destroy());
        return;
      }
      answer.on('error', () => response.destroy());
      if (fault && fault.kind !== 'slow') {
        void collect(answer).then((body) => misbehave(fault, body, answer, request, response));
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    request.pipe(upstream);
  };

  const server = createServer((request, response) => {
    void (async () => {
      const seen = { method: request.method ?? '', path: request.url ?? '', headers: request.headers };
      requests.push(seen);
      const fault = plan?.(seen);
      request.on('error', () => {});
      response.on('error', () => {});
      if (fault) {
        const name = fault.kind === 'status' ? String(fault.status) : fault.kind;
        faults.set(name, (faults.get(name) ?? 0) + 1);
      }
      if (fault?.kind === 'reset') request.socket.destroy();
      else if (fault?.kind === 'black hole') {
        const sinceMs = performance.now();
        waiting.add(sinceMs);
        response.once('close', () => {
          waiting.delete(sinceMs);
          longestMs = Math.max(longestMs, performance.now() - sinceMs);
        });
        request.resume();
      } else if (fault?.kind === 'status') {
        request.resume();
        const code = fault.code ?? (fault.status === 500 ? 'InternalError' : 'ServerBusy');
        response.writeHead(fault.status, {
          'content-type': 'application/xml',
          ...(fault.body === undefined ? { 'x-ms-error-code': code } : {}),
          ...(fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) }),
          ...fault.headers,
        });
        response.end(
          fault.body ??
            `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>Said by the ` +
              'service.</Message></Error>',
        );
      } else {
        if (fault?.kind === 'slow') await sleep(fault.ms);
        await forward(request, response, fault);
      }
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    plan: (next) => void (plan = next),
    faults,
    requests,
    longestWaitMs: () => Math.max(longestMs, ...[...waiting].map((sinceMs) => performance.now() - sinceMs)),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function collect(answer: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Answers with a body in trouble. */
async function misbehave(
  fault: BlobFault,
  body: Buffer,
  { statusCode = 502, headers }: IncomingMessage,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { 'transfer-encoding': _, ...rest } = headers;
  const length = request.method === 'HEAD' ? headers['content-length'] : String(body.length);
  const begin = { ...rest, ...(length === undefined ? {} : { 'content-length': length }) };
  if (fault.kind === 'changed') {
    const changed = fault.change(Buffer.from(body));
    response.writeHead(statusCode, { ...begin, 'content-length': String(changed.length) });
    response.end(changed);
    return;
  }
  response.writeHead(statusCode, begin);
  if (fault.kind === 'cut' || fault.kind === 'hang') {
    response.write(body.subarray(0, fault.after));
    if (fault.kind === 'cut') setTimeout(() => request.socket.destroy(), 30);
    return;
  }
  if (fault.kind !== 'drip') return;
  for (let at = 0; at < body.length && !response.destroyed; at++) {
    response.write(body.subarray(at, at + 1));
    await sleep(fault.ms);
  }
  response.end();
}
