/**
 * Decrypts and encrypts payloads for people: Temporal's Web UI and command ask it over HTTP (the remote codec
 * protocol: POST .../encode and .../decode with `Payloads` as protobuf JSON; only the end of the path counts). Whoever
 * it answers can read everything, so it answers nobody without the token, browsers only on pages of the origins it
 * was told, and says in its log who asked and how much, never what.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { isLoopbackHost } from '../domain/loopback.ts';

export interface CodecServerOptions {
  readonly codec: PayloadCodec;
  /**
   * A secret of 32 characters or more: as `Authorization: Bearer TOKEN`, or as a part of the path (`/TOKEN/decode`).
   */
  readonly token: string;
  /** Pages of these may ask, such as `http://127.0.0.1:8233`. */
  readonly origins: readonly string[];
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Told of every request. */
  readonly onRequest?: (request: CodecRequest) => void;
}

/** What may be logged of a request. */
export interface CodecRequest {
  readonly action: 'encode' | 'decode' | 'other';
  readonly status: number;
  /** How many; 0 when none were read. */
  readonly payloads: number;
  readonly from: string;
  readonly namespace?: string;
  readonly problem?: string;
}

export interface CodecServer {
  readonly port: number;
  close(): Promise<void>;
}

/** The Web UI asks for a page of events at a time; a payload has 2 MB at most. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;
const REQUEST_MS = 30_000;
const HEADERS = 'authorization, authorization-extras, content-type, x-namespace';
const MIN_TOKEN = 32;

const { Payloads } = proto.temporal.api.common.v1;

/** Ends a request with a status and words for people. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** @throws FleetscoreError `CODEC_TOKEN_WEAK`, `CODEC_SERVER_PORT` */
export async function startCodecServer(options: CodecServerOptions): Promise<CodecServer> {
  if (options.token.length < MIN_TOKEN)
    throw new FleetscoreError(
      'CODEC_TOKEN_WEAK',
      `the token of the codec server has ${options.token.length} characters; ${MIN_TOKEN} are wanted. ` +
        'Make one: openssl rand -hex 32',
    );
  const listener: RequestListener = (request, response) => {
    // One that breaks off ends itself only.
    answer(options, request, response).catch(() => response.destroy());
  };
  const server = options.tls
    ? createTlsServer({ ...options.tls, minVersion: 'TLSv1.2' }, listener)
    : createServer(listener);
  server.requestTimeout = REQUEST_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new FleetscoreError(
          'CODEC_SERVER_PORT',
          `the codec server cannot listen on ${options.host}:${options.port} (${messageOf(error)}). ` +
            'Choose another --port.',
          { cause: error },
        ),
      ),
    );
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(options: CodecServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // Gone once the connection is.
  const from = request.socket.remoteAddress ?? '';
  const segments = (request.url ?? '/')
    .split('?')[0]!
    .split('/')
    .filter((segment) => segment !== '');
  const last = segments.at(-1);
  const action = last === 'encode' || last === 'decode' ? last : 'other';
  let payloads = 0;
  let status = 200;
  let problem: string | undefined;
  response.setHeader('cache-control', 'no-store');
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('vary', 'origin');
  try {
    requirePlace(options, request, response);
    if (request.method === 'OPTIONS') {
      status = 204;
      response
        .writeHead(status, {
          'access-control-allow-methods': 'POST',
          'access-control-allow-headers': HEADERS,
          'access-control-max-age': '600',
        })
        .end();
      return;
    }
    requireToken(options.token, request.headers.authorization, segments.slice(0, -1), response);
    if (action === 'other') throw new Refusal(404, 'there is only /encode and /decode');
    if (request.method !== 'POST') {
      response.setHeader('allow', 'POST, OPTIONS');
      throw new Refusal(405, 'only POST is answered');
    }
    const given = read(await body(request));
    payloads = given.length;
    const text = JSON.stringify({ payloads: (await options.codec[action](given)).map(jsonOf) });
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  } catch (error) {
    status = statusOf(error);
    // An unexpected error could quote what it was given.
    problem = status === 500 ? 'it failed' : messageOf(error);
    if (!response.headersSent) response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ message: problem }));
  } finally {
    const namespace = request.headers['x-namespace'];
    options.onRequest?.({
      action,
      status,
      payloads,
      from,
      ...(typeof namespace === 'string' ? { namespace: namespace.slice(0, 255) } : {}),
      ...(problem === undefined ? {} : { problem }),
    });
  }
}

/** Under which name, and from which page, it is asked. */
function requirePlace(
  { host, origins }: CodecServerOptions,
  { headers }: IncomingMessage,
  response: ServerResponse,
): void {
  if (isLoopbackHost(host) && !isLoopbackHost(headers.host))
    throw new Refusal(421, 'ask under the name localhost, or under the address 127.0.0.1');
  const { origin } = headers;
  if (origin === undefined) return;
  if (!origins.includes(origin))
    throw new Refusal(403, `pages of this origin may not ask; start the codec server with --origin and it`);
  response.setHeader('access-control-allow-origin', origin);
}

function requireToken(
  token: string,
  authorization: string | undefined,
  path: readonly string[],
  response: ServerResponse,
): void {
  if (isAllowed(token, authorization, path)) return;
  response.setHeader('www-authenticate', 'Bearer');
  throw new Refusal(
    401,
    'the token of the codec server is missing or wrong: give it as Authorization: Bearer TOKEN, or in the ' +
      'path as /TOKEN/decode',
  );
}

function statusOf(error: unknown): number {
  if (error instanceof Refusal) return error.status;
  return error instanceof FleetscoreError ? 400 : 500;
}

/** In constant time, whatever the lengths. */
function isAllowed(token: string, authorization: string | undefined, path: readonly string[]): boolean {
  const wanted = digest(token);
  const given = [...(authorization?.startsWith('Bearer ') ? [authorization.slice(7)] : []), ...path];
  let found = false;
  for (const one of given.slice(0, 8)) found = timingSafeEqual(digest(one), wanted) || found;
  return found;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Refusal(413, `a request has at most ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function read(text: string): Payload[] {
  try {
    const json: unknown = JSON.parse(text);
    // Protobuf JSON leaves out an empty list.
    if (
      typeof json !== 'object' ||
      json === null ||
      Array.isArray(json) ||
      !Array.isArray((json as { payloads?: unknown }).payloads ?? [])
    )
      throw new Error('no payloads');
    return Payloads.fromObject(json as Record<string, unknown>).payloads.map(({ metadata, data }) => ({
      metadata: metadata ?? {},
      data: data ?? new Uint8Array(),
    }));
  } catch {
    throw new Refusal(
      400,
      'the request is not a JSON object {"payloads": [{"metadata": {...}, "data": "..."}]} with values in base64',
    );
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

const jsonOf = ({ metadata, data }: Payload): object => ({
  metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, base64(value)])),
  data: base64(data ?? new Uint8Array()),
});
