/** Certificates for tests of TLS, made by openssl in a folder: authorities, servers and clients, valid or expired. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Pair {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

export function makeAuthority(dir: string, name: string): Pair {
  const pair = files(dir, name);
  openssl('req', '-x509', ...KEY, '-subj', `/CN=${name}`, '-days', '2', '-keyout', pair.keyFile, '-out', pair.certFile);
  return read(pair);
}

/** @param days how long it is valid from now on; below 0: it has expired so long ago */
export function makePair(dir: string, name: string, authority: Pair, days: number, host = '127.0.0.1'): Pair {
  const pair = files(dir, name);
  const request = join(dir, `${name}.csr`);
  const subject = /^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`;
  openssl(
    'req',
    ...KEY,
    '-subj',
    `/CN=${name}`,
    '-keyout',
    pair.keyFile,
    '-out',
    request,
    '-addext',
    `subjectAltName=${subject}`,
  );
  const sign = ['x509', '-req', '-in', request, '-CA', authority.certFile, '-CAkey', authority.keyFile];
  openssl(...sign, '-CAcreateserial', '-days', String(days), '-copy_extensions', 'copy', '-out', pair.certFile);
  return read(pair);
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

const files = (dir: string, name: string): Pick<Pair, 'certFile' | 'keyFile'> => ({
  certFile: join(dir, `${name}.pem`),
  keyFile: join(dir, `${name}.key`),
});

const read = (pair: Pick<Pair, 'certFile' | 'keyFile'>): Pair => ({
  ...pair,
  cert: readFileSync(pair.certFile, 'utf8'),
  key: readFileSync(pair.keyFile, 'utf8'),
});

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
