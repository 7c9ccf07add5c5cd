/** TLS as TDS 7 has it: the handshake goes inside PRELOGIN packets, everything after it as it is. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { TLSSocket, createSecureContext, type SecureContext } from 'node:tls';
import { messageReader } from './messages.ts';
import { PACKET, packets } from './tokens.ts';

let made: SecureContext | undefined;

/** A certificate for localhost that nobody trusts; one a process. */
export const selfSigned = (): SecureContext => (made ??= make());

function make(): SecureContext {
  const folder = mkdtempSync(join(tmpdir(), 'tds-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  try {
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return createSecureContext({ key: readFileSync(key), cert: readFileSync(cert), maxVersion: 'TLSv1.2' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The clear text of a connection whose next messages are a handshake. */
export function secure(socket: Socket, secureContext: SecureContext): TLSSocket {
  let shaking = true;
  const wrapped = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, callback) {
      if (socket.destroyed) callback();
      else socket.write(shaking ? packets(PACKET.prelogin, chunk, 32_000) : chunk, () => callback());
    },
    final(callback) {
      socket.end();
      callback();
    },
  });
  const unwrap = messageReader(({ body }) => wrapped.push(body));
  socket.on('data', (bytes: Buffer) => {
    // A record of TLS begins with 20 to 23, a packet of the handshake with 18.
    if (shaking && bytes[0] === PACKET.prelogin) unwrap(bytes);
    else wrapped.push(bytes);
  });
  socket.on('close', () => wrapped.push(null));
  const clear = new TLSSocket(wrapped, { isServer: true, secureContext });
  clear.on('secure', () => {
    // The end of the handshake is still on its way through the wrapper.
    setImmediate(() => (shaking = false));
  });
  clear.on('error', () => socket.destroy());
  return clear;
}
