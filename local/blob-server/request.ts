/**
 * A request as the Blob service understands it: account, container and blob from the path, parameters, headers, body.
 */
import type { IncomingMessage } from 'node:http';
import { invalid } from './errors.ts';

export interface BlobRequest {
  readonly method: string;
  /** Path as sent, still encoded: signatures are made over it. */
  readonly rawPath: string;
  readonly account: string;
  readonly container: string | undefined;
  readonly blob: string | undefined;
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
  /** All headers, lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
}

/** A request to a container, or to a blob in it. */
export interface ContainerRequest extends BlobRequest {
  readonly container: string;
}

/** A request to one blob. */
export interface OneBlobRequest extends ContainerRequest {
  readonly blob: string;
}

export const isToContainer = (request: BlobRequest): request is ContainerRequest => request.container !== undefined;

export const isToBlob = (request: BlobRequest): request is OneBlobRequest =>
  isToContainer(request) && request.blob !== undefined;

export interface BlobAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: string | AsyncIterable<Uint8Array>;
}

/** @throws ServiceError `InvalidUri` */
export function readRequest(message: IncomingMessage): BlobRequest {
  const url = message.url ?? '/';
  const cut = url.indexOf('?');
  const rawPath = cut === -1 ? url : url.slice(0, cut);
  const query = new URLSearchParams(cut === -1 ? '' : url.slice(cut + 1).replaceAll('+', '%2B'));
  const headers = Object.fromEntries(
    Object.entries(message.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(',') : (value ?? ''),
    ]),
  );
  const [account = '', container = '', ...rest] = decoded(rawPath).slice(1).split('/');
  const blob = rest.join('/');
  return {
    method: message.method ?? 'GET',
    rawPath,
    account,
    container: container === '' ? undefined : container,
    blob: blob === '' ? undefined : blob,
    query,
    headers,
    header: (name) => headers[name],
    // Who stops reading leaves the connection as it is: a refusal in the middle of a body is still to be told.
    body: message.iterator({ destroyOnReturn: false }),
  };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw invalid('InvalidUri', 'The requested URI does not represent any resource on the server.');
  }
}

/** A whole number from a header. @throws ServiceError `InvalidHeaderValue` */
export function numberHeader(request: BlobRequest, name: string): number | undefined {
  const text = request.header(name);
  if (text === undefined || text === '') return undefined;
  if (!/^-?\d+$/.test(text))
    throw invalid(
      'InvalidHeaderValue',
      `The value ${JSON.stringify(text)} of the header ${name} is not a whole number.`,
    );
  return Number(text);
}

/** `x-ms-meta-NAME` headers by name. */
export function metadataOf(request: BlobRequest): Record<string, string> {
  const prefix = 'x-ms-meta-';
  return Object.fromEntries(
    Object.entries(request.headers)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

export const metadataHeaders = (metadata: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-ms-meta-${name}`, value]));
