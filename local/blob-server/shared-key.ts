/**
 * Who may ask: a signature with the account's key, in the header (Shared Key) or in the address (account and service
 * SAS). The strings that are signed are those of the REST reference: "Authorize with Shared Key" and "Create an
 * account SAS / a service SAS", version 2020-12-06 and newer.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { isLoopbackHost } from '../../domain/loopback.ts';
import { ServiceError } from './errors.ts';
import type { BlobRequest } from './request.ts';

export interface Account {
  readonly name: string;
  /** Base64. */
  readonly key: string;
}

const SIGNED = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
] as const;

/** @throws ServiceError `InvalidHeaderValue`, `NoAuthenticationInformation`, `AuthenticationFailed` */
export function authorize(request: BlobRequest, account: Account, nowMs: number): void {
  if (!isLoopbackHost(request.header('host')))
    throw new ServiceError(
      400,
      'InvalidHeaderValue',
      'This server is asked under the name localhost or 127.0.0.1 only.',
    );
  if (request.account !== account.name)
    throw new ServiceError(403, 'AuthenticationFailed', `This server has the account ${account.name} only.`);
  const header = request.header('authorization');
  if (header === undefined && !request.query.has('sig'))
    throw new ServiceError(401, 'NoAuthenticationInformation', 'The request is not signed.');
  const right =
    header === undefined
      ? sasIsRight(request, account, nowMs)
      : sharedKeyStrings(request, account).some((text) =>
          same(header, `SharedKey ${account.name}:${sign(account, text)}`),
        );
  if (!right) throw new ServiceError(403, 'AuthenticationFailed', 'The signature of the request is not right.');
}

/** Two ways of sorting header names are about; names that differ only in punctuation tell them apart. */
function sharedKeyStrings(request: BlobRequest, account: Account): string[] {
  const values = SIGNED.map((name) => {
    const value = request.header(name) ?? '';
    return name === 'content-length' && value === '0' ? '' : value;
  });
  const names = Object.keys(request.headers).filter((name) => name.startsWith('x-ms-'));
  const lines = (sorted: readonly string[]): string =>
    sorted.map((name) => `${name}:${request.headers[name]!.trim()}\n`).join('');
  const parameters = new Map<string, string[]>();
  for (const [name, value] of request.query)
    parameters.set(name.toLowerCase(), [...(parameters.get(name.toLowerCase()) ?? []), value]);
  const resource = `/${account.name}${request.rawPath}${[...parameters]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, all]) => `\n${name}:${all.sort().join(',')}`)
    .join('')}`;
  const whole = (sorted: readonly string[]): string =>
    `${request.method}\n${values.join('\n')}\n${lines(sorted)}${resource}`;
  return [whole([...names].sort()), whole([...names].sort((a, b) => a.localeCompare(b)))];
}

function sasIsRight(request: BlobRequest, account: Account, nowMs: number): boolean {
  const { query } = request;
  const of = (name: string): string => query.get(name) ?? '';
  const starts = of('st') === '' ? -Infinity : Date.parse(of('st'));
  if (!(nowMs >= starts && nowMs < Date.parse(of('se')))) return false;
  if (!allowed(request, of('sp'))) return false;
  if (query.has('ss')) {
    // Service, containers, objects: a signature for one kind of thing is none for another.
    if (!of('ss').includes('b') || !of('srt').includes(kindOf(request))) return false;
    const parts = [
      account.name,
      of('sp'),
      of('ss'),
      of('srt'),
      of('st'),
      of('se'),
      of('sip'),
      of('spr'),
      of('sv'),
      of('ses'),
    ];
    return same(of('sig'), sign(account, `${parts.join('\n')}\n`));
  }
  // One for a container lists it and goes to its blobs; the container itself it neither makes nor takes away.
  if (request.blob === undefined && query.get('comp') !== 'list') return false;
  const whole = of('sr') === 'c' ? '' : `/${request.blob ?? ''}`;
  const resource = `/blob/${account.name}/${request.container ?? ''}${whole}`;
  const names = ['sip', 'spr', 'sv', 'sr', 'snapshot', 'ses', 'rscc', 'rscd', 'rsce', 'rscl', 'rsct'];
  const parts = [of('sp'), of('st'), of('se'), resource, of('si'), ...names.map(of)];
  return same(of('sig'), sign(account, parts.join('\n')));
}

/** As in `srt`: service, container, object. */
function kindOf({ container, blob }: BlobRequest): 's' | 'c' | 'o' {
  if (blob !== undefined) return 'o';
  return container === undefined ? 's' : 'c';
}

/** Read, write, delete, list, append, create: what the letters of a SAS allow, by what is asked. */
function allowed(request: BlobRequest, permissions: string): boolean {
  const may = (letters: string): boolean => [...letters].some((letter) => permissions.includes(letter));
  if (request.query.get('comp') === 'list') return may('l');
  if (request.method === 'GET' || request.method === 'HEAD') return may('r');
  if (request.method === 'DELETE') return may('d');
  return request.query.get('comp') === 'appendblock' ? may('aw') : may('cw');
}

const sign = (account: Account, text: string): string =>
  createHmac('sha256', Buffer.from(account.key, 'base64')).update(text, 'utf8').digest('base64');

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
