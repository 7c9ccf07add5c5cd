/**
 * Who may ask for what. A page of the web can make a browser send requests to this machine: hence the name in `Host` is
 * checked (DNS rebinding), and an action must come from a page of this process (CSRF): same origin, and its token.
 * Pure.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopbackHost } from '../domain/loopback.ts';

export interface Asked {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** `Sec-Fetch-Site`, which browsers set by themselves and pages cannot. */
  readonly site: string | undefined;
}

/** @param names hosts that this server is called by besides loopback, in lower case, without a port */
export function hostAllowed(host: string | undefined, names: ReadonlySet<string>): boolean {
  if (host === undefined) return false;
  return isLoopbackHost(host) || names.has(nameOf(host));
}

const nameOf = (host: string): string =>
  host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();

/**
 * Whether an action comes from a page of this very server. A request that does not say is refused.
 * @param publicOrigin what people open it by through a proxy, as it was set: nothing that a request says of itself
 *   (`X-Forwarded-Proto`) is believed
 */
export function sameOrigin({ host, origin, site }: Asked, scheme: 'http' | 'https', publicOrigin?: string): boolean {
  if (host === undefined) return false;
  if (site !== undefined && site !== 'same-origin') return false;
  if (origin !== undefined) return [`${scheme}://${host.toLowerCase()}`, publicOrigin].includes(origin.toLowerCase());
  return site === 'same-origin';
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** In constant time, whatever the lengths. */
export function sameSecret(given: string | undefined, wanted: string): boolean {
  return timingSafeEqual(digest(given ?? ''), digest(wanted)) && given !== undefined;
}

/** Value of a cookie, where the header has it. */
export function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const part of (header ?? '').split(';')) {
    const [key, value] = part.split('=', 2);
    if (key?.trim() === name) return value?.trim();
  }
  return undefined;
}
