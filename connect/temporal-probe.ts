/**
 * Why an address gives no connection: asks it once, by TCP and by TLS as the client would, and reads what the system,
 * OpenSSL or the other side says. Temporal's client itself says the same for all of it: no connection before the
 * deadline.
 */
import { X509Certificate } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { patience } from '../domain/busy.ts';
import { defined } from '../domain/defined.ts';
import { messageOf } from '../domain/errors.ts';
import { isLoopbackHost } from '../domain/loopback.ts';

export interface ProbeTarget {
  /** `host:port`. */
  readonly address: string;
  /** Absent: a connection without TLS. */
  readonly tls?: {
    readonly serverName?: string;
    /** PEM. */
    readonly ca?: Uint8Array;
    readonly cert?: Uint8Array;
    readonly key?: Uint8Array;
  };
}

/** What is wrong, in words, and of which kind: remedies differ by kind. */
export interface Trouble {
  readonly kind:
    | 'refused'
    | 'unknown-host'
    | 'silent'
    | 'wants-tls'
    | 'no-tls'
    | 'server-certificate'
    | 'unknown-authority'
    | 'server-name'
    | 'client-certificate-missing'
    | 'client-certificate'
    | 'not-temporal'
    | 'unknown';
  readonly cause: string;
}

/** The first bytes of an HTTP/2 connection and an empty SETTINGS frame (RFC 9113, sections 3.4 and 6.5). */
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);
const SETTINGS = 4;
/** Longest wait for the first bytes, where this machine is idle. */
const ANSWER_MS = 4_000;
/** First byte of a TLS record that holds an alert (RFC 8446, section 5.1). */
const ALERT = 0x15;

/** Longest wait for this machine to say whether a port of its own is open. */
const KNOCK_MS = 1_000;

/**
 * Whether nobody listens at an address of this machine. There it is known at once; of another machine a client had
 * better ask again, for what lies between may be restarted.
 */
export async function isNobodyHere(address: string): Promise<boolean> {
  const { host, port } = splitAddress(address);
  if (!isLoopbackHost(isIP(host) === 6 ? `[${host}]` : host)) return false;
  const answer = await new Promise<Answer>((resolve) => {
    const socket = connectTcp({ host, port, timeout: KNOCK_MS });
    const end = (known: Answer): void => {
      socket.destroy();
      resolve(known);
    };
    socket.once('connect', () => end({ kind: 'closed', connected: true }));
    socket.once('timeout', () => end({ kind: 'silent', connected: false }));
    socket.once('error', (error: NodeJS.ErrnoException) => end({ kind: 'failed', connected: false, error }));
  });
  return troubleOfSystem(answer)?.kind === 'refused';
}

/** Undefined when the address answers as a gRPC server does. */
export async function probe(target: ProbeTarget): Promise<Trouble | undefined> {
  const { host, port } = splitAddress(target.address);
  if (!target.tls) return probePlain(host, port);
  const { serverName, ca, cert, key } = target.tls;
  const expired = cert && expiryOf(cert);
  if (expired !== undefined) return { kind: 'client-certificate', cause: `the client certificate ${expired}` };
  const answer = await ask((ready) =>
    connectTls(
      {
        host,
        port,
        ALPNProtocols: ['h2'],
        ...defined({ servername: serverName || (isIP(host) ? undefined : host) }),
        ...(ca ? { ca: Buffer.from(ca) } : {}),
        ...(cert && key ? { cert: Buffer.from(cert), key: Buffer.from(key) } : {}),
      } satisfies ConnectionOptions,
      ready,
    ),
  );
  return troubleOfTls(answer, cert !== undefined, serverName ?? host);
}

async function probePlain(host: string, port: number): Promise<Trouble | undefined> {
  const answer = await ask((ready) => connectTcp({ host, port }, ready));
  if (answer.kind === 'said') {
    if (answer.first[3] === SETTINGS) return undefined;
    return answer.first[0] === ALERT
      ? { kind: 'wants-tls', cause: 'the server speaks TLS only' }
      : { kind: 'not-temporal', cause: 'what answers there is no Temporal server' };
  }
  const known = troubleOfSystem(answer);
  if (known) return known;
  // A server with TLS may close without a word.
  const secure = await ask((ready) =>
    connectTls({ host, port, ALPNProtocols: ['h2'], rejectUnauthorized: false }, ready),
  );
  const speaks = secure.kind === 'said' || secure.connected || (secure.kind === 'failed' && isAlert(secure.error));
  if (speaks) return { kind: 'wants-tls', cause: 'the server speaks TLS only' };
  return { kind: 'not-temporal', cause: 'what answers there closes the connection' };
}

type Answer =
  | { readonly kind: 'said'; readonly connected: boolean; readonly first: Buffer }
  | { readonly kind: 'failed'; readonly connected: boolean; readonly error: NodeJS.ErrnoException }
  | { readonly kind: 'closed' | 'silent'; readonly connected: boolean };

/** Connects, says the preface and waits for the first bytes: a client certificate is judged after the handshake. */
function ask(open: (ready: () => void) => Socket): Promise<Answer> {
  return new Promise((resolve) => {
    let connected = false;
    let socket: Socket | undefined;
    const end = (answer: Answer): void => {
      clearTimeout(timer);
      socket?.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end({ kind: 'silent', connected }), patience(ANSWER_MS));
    try {
      socket = open(() => {
        connected = true;
        socket?.write(PREFACE);
      });
    } catch (error) {
      end({ kind: 'failed', connected, error: error as NodeJS.ErrnoException });
      return;
    }
    socket.once('data', (first: Buffer) => end({ kind: 'said', connected, first }));
    socket.once('error', (error: NodeJS.ErrnoException) => end({ kind: 'failed', connected, error }));
    socket.once('close', () => end({ kind: 'closed', connected }));
  });
}

function troubleOfSystem(answer: Answer): Trouble | undefined {
  if (answer.kind === 'silent') return { kind: 'silent', cause: 'no answer' };
  if (answer.kind !== 'failed') return undefined;
  const { error } = answer;
  const code = error instanceof AggregateError ? codeOf(error.errors[0]) : error.code;
  if (code === 'ECONNREFUSED') return { kind: 'refused', cause: 'connection refused' };
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return { kind: 'unknown-host', cause: 'no such host' };
  if (code === 'ETIMEDOUT' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH')
    return { kind: 'silent', cause: `not reachable (${code})` };
  return undefined;
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code;
const isAlert = (error: NodeJS.ErrnoException): boolean =>
  /ALERT/.test(error.code ?? '') || /alert/.test(error.message);

/** Codes of OpenSSL's check of a chain (`openssl verify`), as Node names them. */
const UNKNOWN_AUTHORITY: ReadonlySet<string> = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
]);

function troubleOfTls(answer: Answer, withCertificate: boolean, name: string): Trouble | undefined {
  if (answer.kind === 'said')
    return answer.first[3] === SETTINGS
      ? undefined
      : { kind: 'not-temporal', cause: 'what answers there is no Temporal server' };
  const known = troubleOfSystem(answer);
  if (known) return known;
  if (answer.kind !== 'failed' || codeOf(answer.error) === 'ECONNRESET') return closed(withCertificate);
  const { error } = answer;
  const { code = '' } = error;
  if (code === 'CERT_HAS_EXPIRED')
    return { kind: 'server-certificate', cause: 'the certificate of the server has expired' };
  if (code === 'CERT_NOT_YET_VALID')
    return {
      kind: 'server-certificate',
      cause: 'the certificate of the server is not valid yet by the clock of this machine',
    };
  if (UNKNOWN_AUTHORITY.has(code))
    return {
      kind: 'unknown-authority',
      cause: `the certificate of the server is of an authority that is not known here (${code})`,
    };
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return { kind: 'server-name', cause: `the certificate of the server is not for ${name}` };
  if (/wrong version number|packet length too long|HTTP_REQUEST|UNEXPECTED_MESSAGE/i.test(`${code} ${error.message}`))
    return { kind: 'no-tls', cause: 'the server speaks no TLS' };
  if (/certificate.required/i.test(`${code} ${error.message}`)) return closed(false);
  const alert =
    /alert (certificate expired|unknown ca|bad certificate|certificate unknown|unsupported certificate|certificate revoked|access denied)/i.exec(
      error.message,
    )?.[1];
  if (alert !== undefined)
    return withCertificate
      ? { kind: 'client-certificate', cause: `the server refuses the client certificate (${alert.toLowerCase()})` }
      : closed(false);
  if (/handshake failure/i.test(error.message)) return closed(withCertificate);
  return { kind: 'unknown', cause: messageOf(error).split('\n')[0]! };
}

const closed = (withCertificate: boolean): Trouble =>
  withCertificate
    ? { kind: 'client-certificate', cause: 'the server closes the connection after it has seen the client certificate' }
    : { kind: 'client-certificate-missing', cause: 'the server wants a client certificate' };

/** Says how a certificate is outside of its time; undefined when it is not, or cannot be read. */
function expiryOf(pem: Uint8Array): string | undefined {
  try {
    const { validFromDate, validToDate } = new X509Certificate(Buffer.from(pem));
    if (validToDate.getTime() < Date.now()) return `has expired on ${validToDate.toISOString().slice(0, 10)}`;
    if (validFromDate.getTime() > Date.now()) return `is valid only from ${validFromDate.toISOString()}`;
    return undefined;
  } catch {
    return undefined;
  }
}

function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(`tcp://${address.replace(/^[a-z]+:\/\//i, '')}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 7233) };
}
