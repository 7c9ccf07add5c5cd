/**
 * A Blob service for one machine: the part of Azure's REST API that fleetscore, its checkpoints and common readers
 * use (block and append blobs, ranges, conditions, leases, metadata, lists), behind the same client. It stands where
 * azurite stood, because what it has answered is on disk, and its start does not depend on how much is stored.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '../../domain/errors.ts';
import { appendBlock } from './append-blob.ts';
import { changeBlob, deleteBlob, leaseBlob, putBlob, type Parts } from './blobs.ts';
import { describeBlob, readBlob } from './read-blob.ts';
import { dropOldBlocks, putBlock, putBlockList, showBlockList } from './blocks.ts';
import { createContainer, deleteContainer, listBlobs, listContainers, showContainer } from './containers.ts';
import { notImplemented, ServiceError } from './errors.ts';
import { openIndex } from './index-db.ts';
import { openPieces } from './pieces.ts';
import {
  isToBlob,
  isToContainer,
  readRequest,
  type BlobAnswer,
  type BlobRequest,
  type ContainerRequest,
  type OneBlobRequest,
} from './request.ts';
import { authorize, type Account } from './shared-key.ts';
import { document, element } from './xml.ts';
import { HOUR_MS } from '../../domain/time.ts';
import { diskFull, isFull } from '../../storage/folders.ts';

/** The well-known account of storage emulators: its key is no secret, so a stack has one of its own. */
export const EMULATOR_ACCOUNT: Account = {
  name: 'devstoreaccount1',
  key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
};

export const emulatorConnection = (port: number, key = EMULATOR_ACCOUNT.key): string =>
  `DefaultEndpointsProtocol=http;AccountName=${EMULATOR_ACCOUNT.name};AccountKey=${key}` +
  `;BlobEndpoint=http://127.0.0.1:${port}/${EMULATOR_ACCOUNT.name};`;

export interface BlobServerOptions {
  readonly dir: string;
  /** 0: a free one. */
  readonly port: number;
  readonly log: (line: string) => void;
  /** @default the account of storage emulators */
  readonly account?: Account;
}

export interface BlobServer {
  readonly port: number;
  stop(): Promise<void>;
}

const OLD_BLOCKS_EVERY_MS = HOUR_MS;

/** @throws when the folder cannot be used or the port is taken */
export async function startBlobServer({
  dir,
  port,
  log,
  account = EMULATOR_ACCOUNT,
}: BlobServerOptions): Promise<BlobServer> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const db = openIndex(dir);
  const parts: Parts = { db, pieces: openPieces(dir, db) };
  await dropOldBlocks(parts, Date.now());
  const cleaning = setInterval(() => {
    dropOldBlocks(parts, Date.now()).catch((error: unknown) => log(`old blocks stay: ${messageOf(error)}`));
  }, OLD_BLOCKS_EVERY_MS);
  cleaning.unref();

  const server = createServer((message, response) => {
    serve(parts, account, message, response, { dir, log }).catch((error: unknown) => {
      log(`an answer broke off: ${messageOf(error)}`);
      response.destroy();
    });
  });
  // Clients keep connections for long; one that is closed under a request looks like a lost server.
  server.keepAliveTimeout = 120_000;
  server.requestTimeout = 0;
  await listen(server, port);
  return {
    port: (server.address() as AddressInfo).port,
    stop: async () => {
      clearInterval(cleaning);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      const forced = setTimeout(() => server.closeAllConnections(), 2_000);
      await closed;
      clearTimeout(forced);
      db.close();
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}

async function serve(
  parts: Parts,
  account: Account,
  message: IncomingMessage,
  response: ServerResponse,
  of: Pick<BlobServerOptions, 'dir' | 'log'>,
): Promise<void> {
  const common = {
    'x-ms-request-id': randomUUID(),
    'x-ms-version': message.headers['x-ms-version'] ?? '2025-11-05',
    ...(message.headers['x-ms-client-request-id']
      ? { 'x-ms-client-request-id': message.headers['x-ms-client-request-id'] }
      : {}),
  };
  let answer: BlobAnswer;
  try {
    const request = readRequest(message);
    authorize(request, account, Date.now());
    answer = await dispatch(parts, request);
  } catch (error) {
    answer = refusal(error, of);
    // What the client still sends of a refused body is read, so that it hears the answer.
    message.resume();
  }
  const headers = Object.entries({ ...common, ...answer.headers }).filter(([, value]) => value !== undefined);
  response.writeHead(answer.status, Object.fromEntries(headers) as Record<string, string>);
  const { body } = answer;
  if (body === undefined || message.method === 'HEAD' || answer.status === 304) response.end();
  else if (typeof body === 'string') response.end(body);
  else await pipeline(body, response);
}

function refusal(error: unknown, { dir, log }: Pick<BlobServerOptions, 'dir' | 'log'>): BlobAnswer {
  const known =
    error instanceof ServiceError
      ? error
      : // As an account that is in trouble: clients try again, since room may be made.
        new ServiceError(
          500,
          'InternalError',
          `The server failed: ${messageOf(isFull(error) ? diskFull(dir, error) : error)}`,
        );
  if (known.status >= 500) log(known.message);
  return {
    status: known.status,
    headers: { 'x-ms-error-code': known.code, 'content-type': 'application/xml' },
    body: document(`<Error>${element('Code', known.code)}${element('Message', known.message)}</Error>`),
  };
}

/** By method and `comp`. */
type Operations<R> = Readonly<Record<string, (parts: Parts, request: R) => BlobAnswer | Promise<BlobAnswer>>>;

const OF_BLOB: Operations<OneBlobRequest> = {
  'PUT ': putBlob,
  'PUT block': putBlock,
  'PUT blocklist': putBlockList,
  'PUT appendblock': appendBlock,
  'PUT metadata': (parts, request) => changeBlob(parts, request, 'metadata'),
  'PUT properties': (parts, request) => changeBlob(parts, request, 'properties'),
  'PUT lease': leaseBlob,
  'GET ': readBlob,
  'GET blocklist': showBlockList,
  'GET metadata': describeBlob,
  'HEAD ': describeBlob,
  'HEAD metadata': describeBlob,
  'DELETE ': deleteBlob,
};

const OF_CONTAINER: Operations<ContainerRequest> = {
  'PUT ': ({ db }, request) => createContainer(db, request),
  'GET ': ({ db }, request) => showContainer(db, request),
  'HEAD ': ({ db }, request) => showContainer(db, request),
  'GET list': ({ db }, request) => listBlobs(db, request),
  'DELETE ': ({ db, pieces }, request) => deleteContainer(db, pieces, request),
};

const OF_SERVICE: Operations<BlobRequest> = {
  'GET list': ({ db }, request) => listContainers(db, request),
};

async function dispatch(parts: Parts, request: BlobRequest): Promise<BlobAnswer> {
  if (request.query.has('snapshot') || request.query.has('versionid')) throw notImplemented('snapshots and versions');
  if (isToBlob(request)) return perform(OF_BLOB, parts, request);
  if (isToContainer(request)) return perform(OF_CONTAINER, parts, request);
  return perform(OF_SERVICE, parts, request);
}

async function perform<R extends BlobRequest>(
  operations: Operations<R>,
  parts: Parts,
  request: R,
): Promise<BlobAnswer> {
  const comp = request.query.get('comp') ?? '';
  const operation = operations[`${request.method} ${comp}`];
  if (!operation) throw notImplemented(`${request.method}${comp === '' ? '' : ` with comp=${comp}`} here`);
  return operation(parts, request);
}
